package clickhouse

import (
	"context"
	"time"
)

const (
	// firstSliceNS is the first stretch of time that a search looks at; each further one is sliceGrowth times as long. Most
	// searches end in the first, and a rare word in a month takes seven.
	firstSliceNS = int64(15 * time.Minute)
	sliceGrowth  = 4
)

// Search returns one page of records in order of time. It reads time in growing slices from the side where it begins, so that a page
// of a wide range costs no more than the time it spans. Records of one time are ordered by ID, so that a page that ends among them
// goes on there: nothing is skipped or given twice, whatever is stored meanwhile at other times.
func (r *LogReader) Search(ctx context.Context, q LogSearch) (*LogPage, error) {
	s := &logSearch{r: r, q: q, need: q.Limit + 1, began: time.Now(), page: &LogPage{}}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	p := s.page
	if len(p.Rows) > q.Limit {
		p.Rows = p.Rows[:q.Limit]
		p.Next = cursorAfter(p.Rows, q.After)
		p.SearchedNS = 0
	}
	return p, nil
}

// cursorAfter returns the place behind the last of rows; before is the place in front of the first.
func cursorAfter(rows []LogRow, before *LogCursor) *LogCursor {
	last := &rows[len(rows)-1]
	c := &LogCursor{TimeNS: last.TimeNS, ID: last.ID}
	i := len(rows)
	for i > 0 && rows[i-1].TimeNS == last.TimeNS && rows[i-1].ID == last.ID {
		c.Same++
		i--
	}
	if i == 0 && before != nil && !before.Whole && before.TimeNS == last.TimeNS && before.ID == last.ID {
		c.Same += before.Same
	}
	return c
}

// logSearch is one search under way. low and high bound the time that is left.
type logSearch struct {
	r         *LogReader
	q         LogSearch
	need      int
	began     time.Time
	low, high int64
	page      *LogPage
}

func (s *logSearch) run(ctx context.Context) error {
	s.low, s.high = s.q.StartNS, s.q.EndNS
	if c := s.q.After; c != nil {
		if !c.Whole && c.TimeNS >= s.low && c.TimeNS <= s.high {
			if err := s.ties(ctx, c.TimeNS, c); err != nil {
				return err
			}
		}
		if s.q.Forward {
			s.low = max(s.low, c.TimeNS+1)
		} else {
			s.high = min(s.high, c.TimeNS-1)
		}
	}
	width := firstSliceNS
	if s.q.TraceID != "" {
		width = s.high - s.low + 1 // the index of trace ids finds the few parts of any range
	}
	for len(s.page.Rows) < s.need && s.low <= s.high {
		if s.q.Budget > 0 && time.Since(s.began) > s.q.Budget {
			s.giveUp()
			return nil
		}
		if err := s.slice(ctx, width); err != nil {
			return err
		}
		if width > (1<<62)/sliceGrowth {
			width = 1 << 62
		} else {
			width *= sliceGrowth
		}
	}
	return nil
}

// giveUp ends the search where it is, with a cursor that goes on from there.
func (s *logSearch) giveUp() {
	if s.q.Forward {
		s.page.Next, s.page.SearchedNS = &LogCursor{TimeNS: s.low - 1, Whole: true}, s.low
	} else {
		s.page.Next, s.page.SearchedNS = &LogCursor{TimeNS: s.high + 1, Whole: true}, s.high
	}
}

// slice reads the next width nanoseconds.
func (s *logSearch) slice(ctx context.Context, width int64) error {
	f := s.q.LogFilter
	f.StartNS, f.EndNS = s.low, s.high
	order := "ts DESC"
	if s.q.Forward {
		order = "ts ASC"
		if s.high-s.low >= width {
			f.EndNS = s.low + width - 1
		}
		s.low = f.EndNS + 1
	} else {
		if s.high-s.low >= width {
			f.StartNS = s.high - width + 1
		}
		s.high = f.StartNS - 1
	}
	need := s.need - len(s.page.Rows)
	rows, err := s.r.selectRows(ctx, &f, order, "", nil, need+1, &s.page.Stats)
	if err != nil {
		return err
	}
	if len(rows) <= need {
		sortLogs(rows, s.q.Forward)
		s.page.Rows = append(s.page.Rows, rows...)
		return nil
	}
	// Cut off: of the last time, any of the rows may be missing, so that time is read again in the order of IDs.
	last := rows[len(rows)-1].TimeNS
	whole := rows[:0]
	for i := range rows {
		if rows[i].TimeNS != last {
			whole = append(whole, rows[i])
		}
	}
	sortLogs(whole, s.q.Forward)
	s.page.Rows = append(s.page.Rows, whole...)
	return s.ties(ctx, last, nil)
}

// ties reads the rows of one time in the order of their IDs, from behind after.
func (s *logSearch) ties(ctx context.Context, at int64, after *LogCursor) error {
	f := s.q.LogFilter
	f.StartNS, f.EndNS = at, at
	limit, skip := s.need-len(s.page.Rows), 0
	var p params
	more := ""
	if after != nil {
		more = " AND " + rowID + " >= {after:UInt64}"
		p.uint("after", after.ID)
		skip = after.Same
		limit += skip
	}
	rows, err := s.r.selectRows(ctx, &f, "id ASC", more, p, limit, &s.page.Stats)
	if err != nil {
		return err
	}
	for i := range rows {
		if after != nil && rows[i].ID == after.ID && skip > 0 {
			skip--
			continue
		}
		if len(s.page.Rows) < s.need {
			s.page.Rows = append(s.page.Rows, rows[i])
		}
	}
	return nil
}
