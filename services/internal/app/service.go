package app

import (
	"context"
	"runtime/debug"
)

// Func makes a service of a function.
func Func(name string, run func(ctx context.Context) error) Service {
	return funcService{name: name, run: run}
}

// funcService is a Service made of its parts.
type funcService struct {
	name string
	run  func(ctx context.Context) error
}

func (f funcService) Name() string                  { return f.name }
func (f funcService) Run(ctx context.Context) error { return f.run(ctx) }

// Closer makes a service of something that runs already and only has to be closed in its turn.
func Closer(name string, closeFn func() error) Service {
	return Func(name, func(ctx context.Context) error {
		<-ctx.Done()
		return closeFn()
	})
}

// stack returns the stack of a panic.
func stack() []byte { return debug.Stack() }
