package traceql

import (
	"slices"
	"strings"
)

// statuses and kinds are OpenTelemetry's names by number.
var (
	statuses = []string{"unset", "ok", "error"}
	kinds    = []string{"unspecified", "internal", "server", "client", "producer", "consumer"}
)

// intrinsics are the names of fields that spans and traces have by themselves, in both of their spellings.
var intrinsics = map[string]string{
	"name": "name", "span:name": "name", "status": "status", "span:status": "status", "statusMessage": "statusMessage", "span:statusMessage": "statusMessage",
	"duration": "duration", "span:duration": "duration", "kind": "kind", "span:kind": "kind", "rootName": "rootName", "trace:rootName": "rootName",
	"rootServiceName": "rootServiceName", "trace:rootService": "rootServiceName", "traceDuration": "traceDuration", "trace:duration": "traceDuration",
	"trace:id": "traceID", "span:id": "spanID", "span:parentID": "parentID", "instrumentation:name": "scopeName", "instrumentation:version": "scopeVersion",
}

// Intrinsics are the names to offer, as Tempo's tag lists have them.
func Intrinsics() []string {
	return []string{
		"duration", "instrumentation:name", "instrumentation:version", "kind", "name", "rootName", "rootServiceName", "span:duration", "span:id", "span:kind",
		"span:name", "span:parentID", "span:status", "span:statusMessage", "status", "statusMessage", "trace:duration", "trace:id", "trace:rootName",
		"trace:rootService", "traceDuration",
	}
}

// EnumValues returns the values of status or kind, nil for other fields.
func EnumValues(f Field) []string {
	switch {
	case f.Scope != Intrinsic:
		return nil
	case f.Name == "status":
		return slices.Clone(statuses)
	case f.Name == "kind":
		return slices.Clone(kinds)
	}
	return nil
}

// ParseField reads a field as it is written in a query; ok is false for one that is not known.
func ParseField(s string) (f Field, ok bool) {
	tokens, err := lex(s)
	if err != nil || len(tokens) != 2 || tokens[0].kind != wordToken {
		return Field{}, false
	}
	return fieldOf(tokens[0].text)
}

func fieldOf(word string) (Field, bool) {
	if name, ok := intrinsics[word]; ok {
		return Field{Scope: Intrinsic, Name: name}, true
	}
	for _, s := range []struct {
		prefix string
		scope  Scope
	}{{"span.", Span}, {"resource.", Resource}, {".", Any}} {
		if name, ok := strings.CutPrefix(word, s.prefix); ok && name != "" {
			return Field{Scope: s.scope, Name: name}, true
		}
	}
	return Field{}, false
}

func (p *parser) field() (Field, error) {
	t := p.peek()
	if t.kind != wordToken {
		return Field{}, p.errorf("expected a field such as span.http.route, resource.service.name, name or duration")
	}
	f, ok := fieldOf(t.text)
	if !ok {
		for _, prefix := range []string{"event", "link", "parent.", "instrumentation", "childCount", "nestedSet"} {
			if strings.HasPrefix(t.text, prefix) {
				return Field{}, p.unsupported("the field " + t.text)
			}
		}
		return Field{}, p.errorf("there is no field %s; attributes are written span.%s, resource.%s or .%s", t.text, t.text, t.text, t.text)
	}
	p.next()
	return f, nil
}

// literal reads a token as a value.
func literal(t token) (Value, bool) {
	switch t.kind {
	case stringToken:
		return Value{Kind: String, Text: t.text}, true
	case numberToken:
		return Value{Kind: Number, Num: t.num, Text: t.text}, true
	case durationToken:
		return Value{Kind: Duration, Num: t.num, Text: t.text}, true
	case wordToken:
		switch t.text {
		case "true", "false":
			return Value{Kind: Bool, Text: t.text}, true
		case "nil":
			return Value{Kind: Nil}, true
		}
		if i := slices.Index(statuses, t.text); i >= 0 {
			return Value{Kind: Status, Num: float64(i), Text: t.text}, true
		}
		if i := slices.Index(kinds, t.text); i >= 0 {
			return Value{Kind: Kind, Num: float64(i), Text: t.text}, true
		}
	}
	return Value{}, false
}
