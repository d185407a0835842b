package natsbus

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Dial connects to a NATS server elsewhere. A lost connection is made again for as long as the connection is open; publishers wait or
// fail meanwhile, as their own deadlines say. url may hold user and password; name is what the server shows for this client.
func Dial(url, name string, log *slog.Logger) (*nats.Conn, error) {
	ctx := context.Background()
	nc, err := nats.Connect(url, nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(500*time.Millisecond), nats.Timeout(5*time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil is our own Close.
				log.WarnContext(ctx, "nats connection lost", slog.Any("error", err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.InfoContext(ctx, "nats connected again", slog.String("server", nc.ConnectedUrlRedacted()))
		}))
	if err != nil {
		// The address may hold a password, so it is not repeated here.
		return nil, errs.WithHint(errs.Unavailable, "check nats_url and that the server runs with JetStream (nats-server -js)", "connect to NATS: %v", err)
	}
	return nc, nil
}
