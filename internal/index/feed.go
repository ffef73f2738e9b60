package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"net/url"
	"time"

	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
)

// feedLength is the number of files that the feed tells of.
const feedLength = 100

// Feed gives rss.xml (RSS 2.0): the newest files of the channel that the
// caller may see, as it is or, unless at is "", as it was then (see GenerationAt).
func (x *Index) Feed(ctx context.Context, open registry.Opened, at string) (*Document, error) {
	st, stale, err := x.stateAt(ctx, &open, at)
	if err != nil {
		return nil, err
	}
	hidden, err := x.sight(ctx, open, st)
	if err != nil {
		return nil, err
	}
	d, err := st.whole.get("feed."+open.Channel.ID+"."+open.ViewKey, func() (*Document, error) { return x.feed(ctx, open, st, hidden) })
	return d.staleIf(stale), err
}

type rssItem struct {
	Title string  `xml:"title"`
	Link  string  `xml:"link"`
	GUID  rssGUID `xml:"guid"`
	Date  string  `xml:"pubDate"`
	Text  string  `xml:"description"`
}

type rssGUID struct {
	Permanent bool   `xml:"isPermaLink,attr"`
	ID        string `xml:",chardata"`
}

type rssChannel struct {
	Title string    `xml:"title"`
	Link  string    `xml:"link"`
	Text  string    `xml:"description"`
	Date  string    `xml:"lastBuildDate"`
	Items []rssItem `xml:"item"`
}

type rss struct {
	XMLName xml.Name   `xml:"rss"`
	Version string     `xml:"version,attr"`
	Channel rssChannel `xml:"channel"`
}

func (x *Index) feed(ctx context.Context, open registry.Opened, st *state, hidden sight) (*Document, error) {
	owner, channel := open.Channel.OwnerName, open.Channel.Name
	newest := open.Channel.CreatedAt // of what the caller sees: another time would tell of what is hidden
	doc := rss{Version: "2.0", Channel: rssChannel{
		Title: owner + "/" + channel, Link: x.opt.URL + "/" + owner + "/-/channels/" + (&url.URL{Path: channel}).EscapedPath(),
		Text: "New packages in " + owner + "/" + channel,
	}}
	err := x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var id, subdir, name, fileName, version, summary string
		var at time.Time
		if err := r.Scan(&id, &subdir, &name, &fileName, &version, &at, &summary); err != nil {
			return err
		}
		if hidden.hides(name) || len(doc.Channel.Items) >= feedLength {
			return nil
		}
		if at.After(newest) {
			newest = at
		}
		doc.Channel.Items = append(doc.Channel.Items, rssItem{
			Title: name + " " + version + " (" + subdir + ")", Text: summary, Date: at.Format(time.RFC1123Z), GUID: rssGUID{ID: id},
			Link: x.opt.URL + "/" + url.PathEscape(open.Records().OwnerName) + "/" + url.PathEscape(name) + "/files/" + url.PathEscape(subdir) + "/" + url.PathEscape(fileName),
		})
		return nil
	}, `
		SELECT f.id, r.subdir, r.name, r.file_name, r.version, f.uploaded_at, p.summary
		FROM records r JOIN files f ON f.id = r.file_id JOIN packages p ON p.id = f.package_id
		WHERE r.channel_id = $1 AND r.added <= $2 AND (r.removed IS NULL OR r.removed > $2)
		ORDER BY f.uploaded_at DESC, f.id DESC LIMIT $3`, open.Records().ID, st.generation, feedLength+10*len(hidden.names)+1000)
	if err != nil {
		return nil, err
	}
	doc.Channel.Date = newest.Format(time.RFC1123Z)
	b, err := xml.Marshal(doc)
	if err != nil {
		return nil, err
	}
	b = append([]byte(xml.Header), b...)
	// A summary changes without a generation, so that the text is in the tag, too.
	sum := sha256.Sum256(b)
	d := &Document{ETag: st.etag(open, "feed."+hex.EncodeToString(sum[:8])), Modified: newest}
	return d.bytes("application/rss+xml", b), nil
}

// modified is the time of the newest change of any subdir.
func (st *state) modified(open registry.Opened) time.Time {
	t := open.Channel.CreatedAt
	for _, s := range st.subdirs {
		if s.modified.After(t) {
			t = s.modified
		}
	}
	return t
}
