// Package docstest keeps the documents true where a machine can tell: links lead somewhere, the table of settings is the one of the
// code, and every column of the store is described. It has tests only.
package docstest
