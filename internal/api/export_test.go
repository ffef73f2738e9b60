package api

// ParseLabel is parseLabel, for the fuzz test.
func ParseLabel(rest string) (label string, lock bool, to string) {
	a := parseLabel(rest)
	return a.label, a.lock, a.to
}

// SplitPut is splitPut, for the fuzz test.
func SplitPut(rest string) (channel, subdir, name string, ok bool) { return splitPut(rest) }
