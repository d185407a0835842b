// Package arch holds the rules of the house as tests: who may import whom, that packages say what they are, and that files stay short.
// It has no code of its own.
package arch
