// Package live runs the brain on the bus: it reads telemetry in order, makes marks, stores and publishes what is found, and keeps snapshots, so
// that after a kill the findings go on as if nothing had happened.
//
// One process of an installation leads (a lease); the others stand by. The leader's readers feed one goroutine, which alone touches the brain.
// Every mark is written to a journal with the place of each reader before it is made; a restart restores the last snapshot, reads the messages
// after it again, and makes the same marks at the same places. Messages are acknowledged only when a snapshot holds what they brought.
package live
