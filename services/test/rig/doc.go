// Package rig runs the real binaries for tests that break things: it builds them once, starts and kills them, sends them load that can
// be counted afterwards, and asks them and the engine below them what is there. It works on Linux, where /proc tells what a process does.
package rig
