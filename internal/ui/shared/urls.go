package shared

import (
	"net/url"
	"strings"
)

// OwnerURL is the page of an owner.
func OwnerURL(owner string) string { return "/" + url.PathEscape(owner) }

// PackageURL is the page of a package.
func PackageURL(owner, name string) string {
	return OwnerURL(owner) + "/" + url.PathEscape(name)
}

// ReleaseURL is the page of one release of a package.
func ReleaseURL(owner, name, version string) string {
	return PackageURL(owner, name) + "/releases/" + url.PathEscape(version)
}

// NoSubdir stands in addresses for the subdir of a file that has none.
const NoSubdir = "-"

// FileURL is the page of one file, not its bytes.
func FileURL(owner, name, subdir, file string) string {
	if subdir == "" {
		subdir = NoSubdir
	}
	return PackageURL(owner, name) + "/files/" + url.PathEscape(subdir) + "/" + url.PathEscape(file)
}

// ChannelURL is the page of the channel OWNER/CHANNEL. Channel names may have
// several parts, which stay parts of the path.
func ChannelURL(owner, channel string) string {
	parts := strings.Split(channel, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return OwnerURL(owner) + "/-/channels/" + strings.Join(parts, "/")
}

// SearchURL is the search for a query.
func SearchURL(query string) string { return "/search?q=" + url.QueryEscape(query) }

// Web gives a link as it may stand in an href: http, https and mailto
// addresses and paths of this server. Anything else gives an empty string, so
// that what a recipe calls its home page cannot run a script.
func Web(link string) string {
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil {
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		if u.Host == "" {
			return ""
		}
	case "mailto":
	case "":
		if !strings.HasPrefix(u.Path, "/") || u.Host != "" {
			return ""
		}
	default:
		return ""
	}
	return u.String()
}

// Bare gives a web address the way people say it: no scheme, no final slash.
func Bare(link string) string {
	if _, rest, found := strings.Cut(link, "://"); found {
		link = rest
	}
	return strings.TrimSuffix(strings.TrimPrefix(link, "www."), "/")
}

// HistoryURL is the list of the generations of a channel.
func HistoryURL(owner, channel string) string { return besideChannel(owner, channel, "history") }

// ChangesURL is the page of what a generation of a channel changed, once
// ?generation= is added.
func ChangesURL(owner, channel string) string { return besideChannel(owner, channel, "changes") }

// RollbackURL asks before a channel goes back to an old generation.
func RollbackURL(owner, channel string) string { return besideChannel(owner, channel, "rollback") }

// FreezeURL asks before a channel is frozen, or serves its newest state again.
func FreezeURL(owner, channel string) string { return besideChannel(owner, channel, "freeze") }

// SnapshotURL is the form that makes a snapshot of a channel.
func SnapshotURL(owner, channel string) string { return besideChannel(owner, channel, "snapshot") }

// besideChannel is a page about a channel. It stands beside the channel's own and
// not below it, where channels of longer names are.
func besideChannel(owner, channel, page string) string {
	return strings.Replace(ChannelURL(owner, channel), "/-/channels/", "/-/"+page+"/", 1)
}
