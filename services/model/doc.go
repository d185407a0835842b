// Package model holds Faultline's nouns and the pure rules over them: tenants, entities, series, columnar batches and their
// identities. It does no I/O, knows no technology and imports the standard library only, so every part may depend on it.
package model
