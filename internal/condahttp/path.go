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

// channelDocument reports whether a last segment belongs to the channel before
// it; "" does, and stands for the folder.
func channelDocument(s string) bool {
	switch s {
	case "channeldata.json", "notices.json", "terms.json", "rss.xml", "index.html", "":
		return true
	}
	return false
}

// parsePath splits a decoded path behind /conda. It is read from the right: the
// last segment that can be a subdir and has something behind it is the subdir;
// what stands before it, whatever its depth, is the channel. Channels may have
// names that a subdir could have (my-dev): before a document of channels, only a
// subdir that is known is one.
func parsePath(path string) (address, bool) {
	segs := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if segs[0] == "" {
		return address{}, false
	}
	a := address{owner: strings.ToLower(segs[0])}
	rest := segs[1:]
	channel := rest
	ofChannel := len(rest) > 0 && channelDocument(rest[len(rest)-1])
	for i := len(rest) - 2; i >= 0; i-- {
		if ofChannel && (i < len(rest)-2 || !conda.KnownSubdir(rest[i])) {
			continue
		}
		if conda.CheckSubdir(rest[i]) == nil && rest[i+1] != "" {
			a.subdir, a.file, channel = rest[i], strings.Join(rest[i+1:], "/"), rest[:i]
			break
		}
	}
	if a.subdir == "" && ofChannel {
		a.file, channel = rest[len(rest)-1], rest[:len(rest)-1]
	}
	if n := len(channel); a.subdir == "" && a.file == "" && n > 0 && conda.KnownSubdir(channel[n-1]) {
		a.subdir, channel = channel[n-1], channel[:n-1] // the folder of a subdir
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
