// Package group makes incidents of findings: it is the second stage of the correlator, and the single writer of incidents. Findings that are
// close in time and near in the topology, or that are known to occur together, become one incident, which grows, merges, splits, goes quiet
// and ends by itself. It says how severe an incident is by who is affected, and lets people's judgement change what follows.
//
// It is not a detector (findings come in with their own evidence), does not look for causes (package rootcause does, see SetVerdict), and
// notifies nobody. It is pure: no clock, no I/O, no goroutines, and no order of a map reaches a result. Findings wait for their mark and are
// taken in order of onset and id, so that within a mark the order of arrival has no influence.
//
// Everything is bounded by Config. A mark without new findings costs a look at each open incident; one with them costs a walk of two steps in
// the topology for each new entity, and a comparison with the findings of the entities around.
package group
