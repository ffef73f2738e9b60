package condahttp

import (
	"strings"

	"terrarium/internal/conda"
)

// address is what a path under /conda names.
type address struct {
	owner   string
	channel string // "main" when the path names none
	at      string // date or generation of /at/…, "" = now
	subdir  string // "" for documents of the channel itself
	file    string // "repodata.json", "shards/HASH.msgpack.zst", a package; "" for a folder
}

// Served reports whether a path is that of a document, a shard or a package of a
// channel: what clients ask by the hundred.
func Served(path string) bool {
	if !strings.HasPrefix(path, "/conda/") {
		return false
	}
	for _, end := range []string{".zst", ".json", ".conda", ".tar.bz2"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

// channelDocument reports whether a file belongs to a channel, not to a subdir.
func channelDocument(file string) bool {
	switch file {
	case "channeldata.json", "notices.json", "terms.json", "rss.xml", "index.html":
		return true
	}
	return false
}

// parsePath splits a decoded path behind /conda. What stands between the owner
// and the subdir, whatever its depth, is the channel. Every name that
// conda.CheckChannelName accepts reads back.
func parsePath(path string) (address, bool) {
	path = strings.TrimPrefix(path, "/")
	var room [12]string // on the stack: most paths have fewer segments
	segs := room[:0]
	for seg := range strings.SplitSeq(path, "/") {
		segs = append(segs, seg)
	}
	if segs[0] == "" {
		return address{}, false
	}
	a := address{owner: strings.ToLower(segs[0])}
	var channel []string
	channel, a.subdir, a.file = splitSubdir(segs[1:], path)
	if n := len(channel); n > 0 && channel[n-1] == "" {
		channel = channel[:n-1] // a folder with its slash
	}
	if n := len(channel); n >= 2 && channel[n-2] == "at" {
		a.at, channel = channel[n-1], channel[:n-2]
	}
	if len(channel) >= 2 && channel[0] == "label" {
		channel = channel[1:]
	}
	a.channel = strings.ToLower(strings.Join(channel, "/"))
	if a.channel == "" {
		a.channel = "main"
	}
	return a, true
}

// splitSubdir reads the segments behind the owner from the right. A channel may
// have a name that a subdir could have (my-dev); so a subdir that clients do not
// know (linux-fake) counts as one only before what can be a file of it. The path
// ends with the segments.
func splitSubdir(segs []string, path string) (channel []string, subdir, file string) {
	n := len(segs)
	if n == 0 {
		return nil, "", ""
	}
	last := segs[n-1]
	switch {
	case conda.KnownSubdir(last):
		return segs[:n-1], last, ""
	case n > 1 && last == "" && conda.KnownSubdir(segs[n-2]):
		return segs[:n-2], segs[n-2], ""
	case channelDocument(last) && (n == 1 || !conda.KnownSubdir(segs[n-2])):
		return segs[:n-1], "", last
	}
	size := len(last) // of what stands behind segment i
	for i := n - 2; i >= 0; i-- {
		if conda.KnownSubdir(segs[i]) || conda.ChannelFile(last) && conda.IsSubdir(segs[i]) {
			return segs[:i], segs[i], path[len(path)-size:]
		}
		size += 1 + len(segs[i])
	}
	return segs, "", ""
}
