// Package eventtime puts telemetry in the order of event time, so that what is found does not depend on how it arrived.
//
// It has three pure stages. A Clock hears the times of all sources and turns each tick of the platform's clock, itself an input
// message, into a Mark: a number and a watermark. An Order, one for each shard, holds samples back until a mark passes them and
// hands them on by series and time; what comes after its mark is set aside, never mixed in. A Merge joins the findings of all
// shards, mark by mark. None of them does I/O, reads a clock or starts a goroutine, and Order and Merge go to bytes and back
// between any two messages.
//
// Between two marks the order of arrival has no influence. That is what makes four shards equal to one, and a replay from tables
// equal to the live run, given its marks and the list of what was set aside.
package eventtime
