// Package app runs the parts of a process: it starts them together, stops them in order when one fails or the context ends, and
// says when all are ready. What the parts do is their own affair.
package app

import "context"

// Service is a part of a process. Run blocks, owns its goroutines, and returns nil after ctx ended and they did.
type Service interface {
	Name() string
	Run(ctx context.Context) error
}

// Readier is a Service that needs time until it can serve; the channel is closed then.
type Readier interface {
	Ready() <-chan struct{}
}
