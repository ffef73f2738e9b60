package registry

// Day is the number of downloads of one UTC day.
type Day struct {
	Day   string // "2026-11-21"
	Count int64
}

// Stats are the numbers on the first page, as far as the caller may know them.
type Stats struct {
	Packages  int
	Channels  int
	Files     int
	Downloads int64
}
