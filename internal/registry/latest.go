package registry

import "terrarium/internal/conda"

// newest finds the latest version of a package among those it is shown.
//
// anaconda.org takes the newest by conda's order alone, so 2.0rc1 hides 1.9 from
// everybody who looks at the page, the badge or the search. Ours is the one that
// somebody who installs the package wants: a release before any pre-release, and
// of two releases the one labelled main, which is what the channel OWNER serves.
// Only where that leaves a choice does the higher version win.
type newest struct {
	version string // "" before any
	rank    int
}

// take shows a version and whether a file of it is labelled main; it reports
// whether it is the latest so far.
func (n *newest) take(version string, main bool) bool {
	rank := 0
	if ver, err := conda.ParseVersion(version); err != nil || !ver.Prerelease() {
		rank += 2
	}
	if main {
		rank++
	}
	if n.version != "" && (rank < n.rank || rank == n.rank && conda.CompareVersions(version, n.version) <= 0) {
		return false
	}
	n.version, n.rank = version, rank
	return true
}
