package conda

// VersionParts gives the components of a version for tests: numbers as they
// are, words as text, "POST" and "DEV" for the markers.
func VersionParts(v Version) (main, local []any) {
	parts := func(components []component) []any {
		out := []any{}
		for _, c := range components {
			runs := []any{}
			for _, e := range c {
				switch e.kind {
				case kindNumber:
					if e.text != "" {
						runs = append(runs, e.text)
					} else {
						runs = append(runs, e.num)
					}
				case kindPost:
					runs = append(runs, "POST")
				case kindDev:
					runs = append(runs, "DEV")
				default:
					runs = append(runs, e.text)
				}
			}
			out = append(out, runs)
		}
		return out
	}
	return parts(v.main), parts(v.local)
}
func (v Version) Key() string { return v.key() }
