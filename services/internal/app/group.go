package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Stage says when a service stops: the lower stages first. A service may use what is in higher stages until it has ended.
type Stage int

// The stages, in the order of stopping.
const (
	StageReceive Stage = iota // Takes in from outside: listeners, scrapers, the agent.
	StageProcess              // Empties what is under way: writers, correlators, query.
	StageBus                  // The transport.
	StageStore                // The engine.
	stages
)

// Deadlines of a group that sets none.
const (
	// DefaultStopTimeout is how long a whole group may take to stop; service managers give 90 s before they kill.
	DefaultStopTimeout = 60 * time.Second
)

// Group runs services together. The first that returns, with or without an error, ends all. The zero value is ready to use.
// Run is called once; Log, StopTimeout and Start are set before it. All methods may be called from several goroutines.
type Group struct {
	Log         *slog.Logger
	StopTimeout time.Duration // For stopping all stages together; 0 is DefaultStopTimeout.
	// Start runs once beside the services that were added before Run, and adds those that need them: the parts that can only be built
	// when the engine answers. Its ctx ends with the group's; its error ends the group.
	Start func(ctx context.Context) error

	// mu guards what is below.
	mu      sync.Mutex
	members []*member
	base    context.Context // Of the services; nil before Run. It is kept because Add starts services later.
	first   chan *member    // Takes the first that ended.
}

// member is a service with its stage and its state.
type member struct {
	Service
	stage  Stage
	cancel context.CancelFunc
	ended  chan struct{} // Closed after Run returned.

	// mu guards err.
	mu  sync.Mutex
	err error
}

// starting is the name of Group.Start in errors.
const starting = "start"

// Add puts services into a stage, and starts them if the group runs. Services of one stage start in the order in which they were added
// and stop together.
func (g *Group) Add(stage Stage, services ...Service) {
	if stage < 0 || stage >= stages {
		panic(fmt.Sprintf("BUG: no stage %d", stage))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range services {
		m := &member{Service: s, stage: stage, ended: make(chan struct{})}
		g.members = append(g.members, m)
		if g.base != nil {
			g.launch(m)
		}
	}
}

// launch starts a member. It needs mu.
func (g *Group) launch(m *member) {
	ctx, cancel := context.WithCancel(g.base)
	m.cancel = cancel
	go m.run(ctx, g.first)
}

// Run starts all services and blocks until they ended. They are stopped stage by stage when ctx ends or one of them returns. The
// errors of all are joined; a service that returns nil before ctx ended is an error too, because something is then missing. A service
// that is still running at the deadline is named in the error, and its goroutine is left behind: the process is about to end.
func (g *Group) Run(ctx context.Context) error {
	log := g.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	startCtx, cancelStart := context.WithCancel(ctx)
	defer cancelStart()
	g.mu.Lock()
	// Services must outlive ctx until their stage comes, so they get contexts of their own, with its values.
	g.base, g.first = context.WithoutCancel(ctx), make(chan *member, 1)
	for _, m := range g.members {
		g.launch(m)
	}
	g.mu.Unlock()
	start := &member{Service: Func(starting, g.start), ended: make(chan struct{})}
	go start.run(startCtx, g.first)

	var early error
	for waiting := true; waiting; {
		select {
		case <-ctx.Done():
			waiting = false
		case m := <-g.first:
			if m == start && m.failure() == nil {
				continue
			}
			if m.failure() == nil {
				early = errs.New(errs.Internal, "%s ended by itself", m.Name())
			}
			waiting = false
		}
	}
	cancelStart()
	err := g.stop(ctx, start, log)
	for _, m := range g.list() {
		if e := m.failure(); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", m.Name(), e))
		}
	}
	return errors.Join(early, start.failure(), err)
}

// start runs Start.
func (g *Group) start(ctx context.Context) error {
	if g.Start == nil {
		return nil
	}
	return g.Start(ctx)
}

// list returns the members.
func (g *Group) list() []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.members)
}

// run runs the service; a panic becomes its error, so that the other services still stop in order.
func (m *member) run(ctx context.Context, first chan<- *member) {
	var err error
	defer func() {
		if p := recover(); p != nil {
			err = errs.New(errs.Internal, "panic: %v\n%s", p, stack())
		}
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil // It was told to stop and says so.
		}
		m.mu.Lock()
		m.err = err
		m.mu.Unlock()
		close(m.ended)
		select {
		case first <- m:
		default: // Another was first, and that is all that counts.
		}
	}()
	err = m.Run(ctx)
}

// failure returns the error of an ended service.
func (m *member) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// stop ends the start and then the stages, one after the other, within the deadline.
func (g *Group) stop(ctx context.Context, start *member, log *slog.Logger) error {
	timeout := g.StopTimeout
	if timeout <= 0 {
		timeout = DefaultStopTimeout
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	late := start.await(deadline, nil)
	for stage := range stages {
		members := slices.DeleteFunc(g.list(), func(m *member) bool { return m.stage != stage })
		for _, m := range members {
			m.cancel()
		}
		for _, m := range members {
			late = m.await(deadline, late)
			log.DebugContext(ctx, "service told to stop", slog.String("service", m.Name()), slog.Bool("ended", m.hasEnded()))
		}
	}
	if len(late) > 0 {
		return errs.New(errs.Timeout, "still running %s after the stop: %s", timeout, strings.Join(late, ", "))
	}
	return nil
}

// await waits for the end of a service, and adds its name to late when the deadline comes first.
func (m *member) await(deadline context.Context, late []string) []string {
	select {
	case <-m.ended:
		return late
	case <-deadline.Done():
	}
	if m.hasEnded() {
		return late
	}
	return append(late, m.Name())
}

// hasEnded reports whether the service returned.
func (m *member) hasEnded() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// Ready returns a channel that is closed when every service added so far that has something to wait for is ready. It stays open if
// ctx ends before.
func (g *Group) Ready(ctx context.Context) <-chan struct{} {
	all := make(chan struct{})
	members := g.list()
	go func() {
		for _, m := range members {
			r, ok := m.Service.(Readier)
			if !ok {
				continue
			}
			select {
			case <-r.Ready():
			case <-ctx.Done():
				return
			}
		}
		close(all)
	}()
	return all
}

// NotReady names the services that are not ready, in the order in which they were added; empty means ready. A service that has ended is
// not ready.
func (g *Group) NotReady() []string {
	names := []string{}
	for _, m := range g.list() {
		if m.hasEnded() || !isReady(m.Service) {
			names = append(names, m.Name())
		}
	}
	return names
}

// isReady reports whether a service is ready now.
func isReady(s Service) bool {
	if u, ok := s.(interface{ Up() bool }); ok && !u.Up() {
		return false // It was ready once and is not at present.
	}
	r, ok := s.(Readier)
	if !ok {
		return true
	}
	select {
	case <-r.Ready():
		return true
	default:
		return false
	}
}
