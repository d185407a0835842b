package hostmetrics

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// sectorBytes is the unit of /proc/diskstats, whatever the disk's own sector size.
const sectorBytes = 512

// collectDisks reports whole block devices (also device mapper and md); partitions, loops and memory disks repeat or mean nothing.
func (p *platform) collectDisks(b *telemetry.Builder, _ time.Time) error {
	data, err := p.r.read(p.c.proc("diskstats"))
	if err != nil {
		return err
	}
	// The buffer is reused by nothing below: os.Stat reads no file.
	for len(data) > 0 {
		var line []byte
		line, data = nextLine(data)
		_, rest := nextField(line)
		_, rest = nextField(rest)
		nameBytes, rest := nextField(rest)
		var v [11]uint64
		if uints(rest, v[:]) < 10 || !p.wholeDisk(string(nameBytes)) {
			continue
		}
		p.addDisk(b, string(nameBytes), v)
	}
	return nil
}

func (p *platform) wholeDisk(name string) bool {
	for _, prefix := range []string{"loop", "ram", "zram", "sr", "fd"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	_, err := os.Stat(p.c.sys("block", strings.ReplaceAll(name, "/", "!")))
	return err == nil
}

func (p *platform) addDisk(b *telemetry.Builder, name string, v [11]uint64) {
	start := p.c.bootNS()
	for _, d := range []struct {
		direction                    string
		ops, merged, sectors, timeMS uint64
	}{{"read", v[0], v[1], v[2], v[3]}, {"write", v[4], v[5], v[6], v[7]}} {
		attrs := p.attr.pair("system.device", name, "disk.io.direction", d.direction)
		b.CounterInt("system.disk.io", "By", start, d.sectors*sectorBytes, attrs)
		b.CounterInt("system.disk.operations", "{operation}", start, d.ops, attrs)
		b.CounterInt("system.disk.merged", "{operation}", start, d.merged, attrs)
		b.Counter("system.disk.operation_time", "s", start, float64(d.timeMS)/1000, attrs)
	}
	attrs := p.attr.pair("system.device", name, "", "")
	b.Counter("system.disk.io_time", "s", start, float64(v[9])/1000, attrs)
	b.UpDown("system.linux.disk.pending_operations", "{operation}", int64(v[8]), attrs)
}

// mount is one line of /proc/mounts.
type mount struct {
	device, point, kind string
	readOnly            bool
}

// maxMounts bounds the file systems that are reported; a host with more has bind mounts by the thousand.
const maxMounts = 128

// mounts returns the file systems that hold data of this host: no pseudo file systems, none of the network (asking a dead server
// would block for ever), and each device once, at its shortest mount point.
func (p *platform) mounts() ([]mount, error) {
	data, err := p.r.first(p.c.proc("1", "mounts"), p.c.proc("self", "mounts"), p.c.proc("mounts"))
	if err != nil {
		return nil, err
	}
	byDevice := map[string]int{}
	var out []mount
	for len(data) > 0 {
		var line []byte
		line, data = nextLine(data)
		dev, rest := nextField(line)
		point, rest := nextField(rest)
		kind, rest := nextField(rest)
		options, _ := nextField(rest)
		m := mount{unescape(dev), unescape(point), string(kind), bytes.HasPrefix(options, []byte("ro,")) || string(options) == "ro"}
		if !reportable(m) {
			continue
		}
		key := m.device
		if !strings.HasPrefix(key, "/") {
			key = m.kind + "\x00" + m.point
		}
		if i, ok := byDevice[key]; ok {
			if len(m.point) < len(out[i].point) {
				out[i] = m
			}
			continue
		}
		if len(out) < maxMounts {
			byDevice[key] = len(out)
			out = append(out, m)
		}
	}
	return out, nil
}

func reportable(m mount) bool {
	switch m.kind {
	case "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "vfat", "exfat", "ntfs", "ntfs3", "hfsplus", "fuseblk", "erofs":
		return true
	case "overlay":
		return m.point == "/"
	case "tmpfs":
		return m.point == "/tmp" || m.point == "/dev/shm" || m.point == "/"
	}
	return false
}

// unescape undoes the octal escapes of blanks in /proc/mounts.
func unescape(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(string(b))
}

func (p *platform) collectFilesystems(b *telemetry.Builder, _ time.Time) error {
	mounts, err := p.mounts()
	if err != nil {
		return err
	}
	for _, m := range mounts {
		var st syscall.Statfs_t
		if err := syscall.Statfs(filepath.Join(p.c.cfg.Root, m.point), &st); err != nil || st.Blocks == 0 {
			continue // unmounted meanwhile, or no permission: there is nothing to say about it
		}
		p.addFilesystem(b, m, &st)
	}
	return nil
}

func (p *platform) addFilesystem(b *telemetry.Builder, m mount, st *syscall.Statfs_t) {
	size := uint64(st.Bsize)
	total, free, avail := st.Blocks*size, st.Bfree*size, st.Bavail*size
	used := total - min(free, total)
	mode := "rw"
	if m.readOnly {
		mode = "ro"
	}
	base := func() telemetry.Attrs {
		return telemetry.Strs("system.device", m.device, "system.filesystem.mountpoint", m.point,
			"system.filesystem.type", m.kind, "system.filesystem.mode", mode)
	}
	attrs := p.attr.get(attrKey{"fs" + mode, m.device, m.point, ""}, base)
	b.UpDown("system.filesystem.limit", "By", int64(total), attrs)
	// Utilisation is what df shows: what root alone may use is no room for anybody else.
	if used+avail > 0 {
		b.Gauge("system.filesystem.utilization", "1", float64(used)/float64(used+avail), attrs)
	}
	for _, s := range []struct {
		state         string
		bytes, inodes uint64
	}{{"used", used, st.Files - min(st.Ffree, st.Files)}, {"free", avail, st.Ffree}, {"reserved", free - min(avail, free), 0}} {
		sa := p.attr.get(attrKey{"fs" + mode, m.device, m.point, s.state}, func() telemetry.Attrs {
			return telemetry.With(base(), telemetry.Str("system.filesystem.state", s.state))
		})
		b.UpDown("system.filesystem.usage", "By", int64(s.bytes), sa)
		if st.Files > 0 && s.state != "reserved" {
			b.UpDown("system.filesystem.inodes.usage", "{inode}", int64(s.inodes), sa)
		}
	}
	if st.Files > 0 {
		b.UpDown("system.filesystem.inodes.limit", "{inode}", int64(st.Files), attrs)
		b.Gauge("system.filesystem.inodes.utilization", "1", float64(st.Files-min(st.Ffree, st.Files))/float64(st.Files), attrs)
	}
}

// collectTemperatures reads the sensors under /sys/class/hwmon.
func (p *platform) collectTemperatures(b *telemetry.Builder, _ time.Time) error {
	inputs, err := filepath.Glob(p.c.sys("class", "hwmon", "hwmon*", "temp*_input"))
	if err != nil {
		return err
	}
	for _, input := range inputs {
		raw := p.r.text(input)
		negative := strings.HasPrefix(raw, "-")
		milli := float64(parseUint([]byte(strings.TrimPrefix(raw, "-"))))
		if raw == "" {
			continue
		}
		if negative {
			milli = -milli
		}
		dir, sensor := filepath.Dir(input), strings.TrimSuffix(filepath.Base(input), "_input")
		attrs := p.attr.get(attrKey{"hw", input, "", ""}, func() telemetry.Attrs {
			chip := p.r.text(filepath.Join(dir, "name"))
			label := p.r.text(filepath.Join(dir, sensor+"_label"))
			if label == "" {
				label = sensor
			}
			return telemetry.Strs("hw.id", filepath.Base(dir)+"/"+sensor, "hw.name", chip, "hw.sensor_location", label)
		})
		b.Gauge("hw.temperature", "Cel", milli/1000, attrs)
	}
	return nil
}
