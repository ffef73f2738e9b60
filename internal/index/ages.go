package index

// line finds, among the records of a snapshot, the newest time of indexing
// before the cut, and the oldest from the cut on, 0 where there is none. What a
// predicate with an age leaves depends on the moment through the first alone.
func (s *snapshot) line(cut int64) (line, next int64) {
	for _, e := range s.entries {
		c := e.columns.Load()
		if c.newest < cut {
			line = max(line, c.newest)
			continue
		}
		for i := range c.cells {
			switch t := c.cells[i].indexed; {
			case t < cut:
				line = max(line, t)
			case next == 0 || t < next:
				next = t
			}
		}
	}
	return line, next
}
