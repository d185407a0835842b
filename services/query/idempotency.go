package query

import (
	"slices"
	"sync"
)

// keysKept is how many idempotency keys are remembered: people press a button twice within seconds, not after a thousand others.
const keysKept = 1000

// keys remembers which idempotency keys were used for which object, the newest of them.
type keys struct {
	// mu guards used.
	mu   sync.Mutex
	used []usedKey
}

type usedKey struct {
	key string
	seq uint64
}

// done reports whether key was used for seq.
func (k *keys) done(key string, seq uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return key != "" && slices.Contains(k.used, usedKey{key, seq})
}

func (k *keys) add(key string, seq uint64) {
	if key == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.used) >= keysKept {
		k.used = slices.Delete(k.used, 0, keysKept/2)
	}
	k.used = append(k.used, usedKey{key, seq})
}
