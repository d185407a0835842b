package hostmetrics

import (
	"bytes"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// procKey is the identity of a process: a pid comes back, a pid with its start time does not.
type procKey struct {
	pid   int
	start uint64 // clock ticks after boot
}

// proc is what is kept of one process between collections.
type proc struct {
	key       procKey
	name      string
	cpuTicks  uint64
	rssBytes  uint64
	virtual   uint64
	threads   uint64
	state     byte
	seenAt    time.Time
	cpuRate   float64 // cores, over the last interval
	cpuSmooth float64 // cores, smoothed: what the choice of the top ones goes by
	hasRate   bool
	chosen    bool
	quiet     int // collections since it was last among the top ones
	attrs     telemetry.Attrs
	base      string // the decimal pid, reused for paths
}

type processState struct {
	procs  map[procKey]*proc
	users  map[uint32]string
	ranked []*proc
	page   uint64
}

func newProcessState() processState {
	return processState{procs: map[procKey]*proc{}, users: map[uint32]string{}, page: uint64(os.Getpagesize())}
}

// maxProcesses bounds the processes that are looked at; beyond it the rest is counted by state only by the kernel's own order.
const maxProcesses = 32768

func (p *platform) collectProcesses(b *telemetry.Builder, now time.Time, report bool) error {
	dir, err := os.Open(p.c.cfg.Proc)
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close()
	if err != nil {
		return err
	}
	var states [256]int64
	s := &p.proc
	s.ranked = s.ranked[:0]
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' || len(s.ranked) >= maxProcesses {
			continue
		}
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if pr := p.readStat(pid, name, now, report); pr != nil {
			states[pr.state]++
			s.ranked = append(s.ranked, pr)
		}
	}
	p.addStates(b, &states)
	if !report {
		return nil
	}
	for key, pr := range s.procs {
		if !pr.seenAt.Equal(now) {
			delete(s.procs, key)
		}
	}
	choose(s.ranked, p.c.cfg.TopProcesses)
	for _, pr := range s.ranked {
		if pr.chosen {
			p.addProcess(b, pr)
		}
	}
	return nil
}

func (p *platform) addStates(b *telemetry.Builder, states *[256]int64) {
	for _, g := range []struct {
		name    string
		letters string
	}{{"running", "R"}, {"sleeping", "SI"}, {"blocked", "D"}, {"stopped", "Tt"}, {"defunct", "ZXx"}} {
		var n int64
		for i := range len(g.letters) {
			n += states[g.letters[i]]
		}
		b.UpDown("system.process.count", "{process}", n, p.attr.pair("process.state", g.name, "", ""))
	}
}

// readStat reads one process. Between reports only its state matters, and nothing is kept.
func (p *platform) readStat(pid int, name string, now time.Time, report bool) *proc {
	data, err := p.r.read(p.c.cfg.Proc + "/" + name + "/stat")
	if err != nil {
		return nil // it ended meanwhile
	}
	st, ok := parseStat(data)
	if !ok {
		return nil
	}
	if !report {
		return &proc{state: st.state}
	}
	key := procKey{pid, st.start}
	pr := p.proc.procs[key]
	if pr == nil || pr.name != string(st.comm) { // an exec makes another program of the same process
		pr = &proc{key: key, name: string(st.comm), base: name}
		p.proc.procs[key] = pr
	} else if dt := now.Sub(pr.seenAt).Seconds(); dt > 0 && st.cpu >= pr.cpuTicks {
		pr.cpuRate = float64(st.cpu-pr.cpuTicks) / ticksPerSecond / dt
		if !pr.hasRate {
			pr.cpuSmooth = pr.cpuRate
		}
		pr.cpuSmooth = pr.cpuSmooth*0.6 + pr.cpuRate*0.4
		pr.hasRate = true
	}
	pr.seenAt, pr.cpuTicks, pr.state = now, st.cpu, st.state
	pr.rssBytes, pr.virtual, pr.threads = st.rssPages*p.proc.page, st.virtual, st.threads
	return pr
}

// stat holds the fields of /proc/PID/stat that are used.
type stat struct {
	comm     []byte
	state    byte
	cpu      uint64
	threads  uint64
	start    uint64
	virtual  uint64
	rssPages uint64
}

// parseStat parses /proc/PID/stat. The name may contain blanks and parentheses, so the fields start after the last ')'.
func parseStat(data []byte) (stat, bool) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open || end+2 >= len(data) {
		return stat{}, false
	}
	s := stat{comm: data[open+1 : end]}
	rest := data[end+1:]
	f, rest := nextField(rest)
	if len(f) != 1 {
		return stat{}, false
	}
	s.state = f[0]
	var v [21]uint64 // fields 4 to 24
	if uints(rest, v[:]) < len(v) {
		return stat{}, false
	}
	s.cpu = v[10] + v[11]
	s.threads, s.start, s.virtual, s.rssPages = v[16], v[18], v[19], v[20]
	return s, true
}

// addProcess adds the metrics of one chosen process.
func (p *platform) addProcess(b *telemetry.Builder, pr *proc) {
	if pr.attrs == nil {
		pr.attrs = p.identify(pr)
	}
	dir := p.c.cfg.Proc + "/" + pr.base
	start := p.c.bootNS() + pr.key.start*(uint64(time.Second)/ticksPerSecond)
	b.Counter("process.cpu.time", "s", start, float64(pr.cpuTicks)/ticksPerSecond, pr.attrs)
	if pr.hasRate {
		// As a share of one core, as top and the conventions have it: 2 means two cores.
		b.Gauge("process.cpu.utilization", "1", math.Round(pr.cpuRate*1e4)/1e4, pr.attrs)
	}
	b.UpDown("process.memory.usage", "By", int64(pr.rssBytes), pr.attrs)
	b.UpDown("process.memory.virtual", "By", int64(pr.virtual), pr.attrs)
	b.UpDown("process.thread.count", "{thread}", int64(pr.threads), pr.attrs)
	if n, ok := countDescriptors(dir + "/fd"); ok {
		b.UpDown("process.unix.file_descriptor.count", "{file_descriptor}", n, pr.attrs)
	}
	if data, err := p.r.read(dir + "/io"); err == nil {
		read, write := parseIO(data)
		b.CounterInt("process.disk.io", "By", start, read, p.withDirection(pr, "read"))
		b.CounterInt("process.disk.io", "By", start, write, p.withDirection(pr, "write"))
	}
}

func (p *platform) withDirection(pr *proc, direction string) telemetry.Attrs {
	return p.attr.get(attrKey{"procio", pr.base, strconv.FormatUint(pr.key.start, 10) + pr.name, direction}, func() telemetry.Attrs {
		return telemetry.With(pr.attrs, telemetry.Str("disk.io.direction", direction))
	})
}

func parseIO(data []byte) (read, write uint64) {
	for len(data) > 0 {
		var line []byte
		line, data = nextLine(data)
		if v, ok := bytes.CutPrefix(line, []byte("read_bytes: ")); ok {
			read = parseUint(v)
		} else if v, ok := bytes.CutPrefix(line, []byte("write_bytes: ")); ok {
			write = parseUint(v)
		}
	}
	return read, write
}

// countDescriptors counts the open files of a process. Linux 6.2 and later say it as the size of the directory; before, the entries
// are counted.
func countDescriptors(dir string) (int64, bool) {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return 0, false
	}
	if st.Size > 0 {
		return st.Size, true
	}
	names, err := os.ReadDir(dir)
	return int64(len(names)), err == nil
}

// maxCommandLine bounds the command line that goes into the identity of a process.
const maxCommandLine = 256

func (p *platform) identify(pr *proc) telemetry.Attrs {
	dir := p.c.cfg.Proc + "/" + pr.base
	executable := pr.name
	var path string
	if target, err := os.Readlink(dir + "/exe"); err == nil {
		path = strings.TrimSuffix(target, " (deleted)")
		executable = filepath.Base(path)
	}
	command := ""
	if data, err := p.r.read(dir + "/cmdline"); err == nil {
		command = commandLine(data)
	}
	created := p.c.boot.Add(time.Duration(pr.key.start) * (time.Second / ticksPerSecond)).UTC().Format("2006-01-02T15:04:05.00Z")
	attrs := telemetry.Attrs{
		telemetry.Int("process.pid", int64(pr.key.pid)), telemetry.Str("process.creation.time", created),
		telemetry.Str("process.executable.name", executable), telemetry.Str("process.command", pr.name),
	}
	if path != "" {
		attrs = append(attrs, telemetry.Str("process.executable.path", path))
	}
	if command != "" {
		attrs = append(attrs, telemetry.Str("process.command_line", command))
	}
	if owner := p.owner(dir); owner != "" {
		attrs = append(attrs, telemetry.Str("process.owner", owner))
	}
	return attrs
}

func (p *platform) owner(dir string) string {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return ""
	}
	name, ok := p.proc.users[st.Uid]
	if !ok {
		id := strconv.FormatUint(uint64(st.Uid), 10)
		name = id
		if u, err := user.LookupId(id); err == nil {
			name = u.Username
		}
		if len(p.proc.users) < 1024 {
			p.proc.users[st.Uid] = name
		}
	}
	return name
}

// commandLine joins the arguments of a process and masks the values that look like secrets: command lines are readable on the host,
// but that is no reason to store them for years.
func commandLine(data []byte) string {
	args := strings.Split(strings.TrimRight(string(data), "\x00"), "\x00")
	maskNext := false
	for i, a := range args {
		if maskNext && !strings.HasPrefix(a, "-") {
			args[i] = "***"
			maskNext = false
			continue
		}
		name, _, hasValue := strings.Cut(a, "=")
		maskNext = false
		if !secretName(name) {
			continue
		}
		if hasValue {
			args[i] = name + "=***"
		} else {
			maskNext = strings.HasPrefix(a, "-")
		}
	}
	s := strings.Join(args, " ")
	if len(s) > maxCommandLine {
		s = s[:maxCommandLine]
	}
	return strings.ToValidUTF8(s, "")
}

func secretName(s string) bool {
	s = strings.ToLower(s)
	for _, w := range []string{"password", "passwd", "secret", "token", "apikey", "api-key", "api_key", "credential", "private-key"} {
		if strings.Contains(s, w) {
			return true
		}
	}
	return s == "--key" || s == "-key"
}
