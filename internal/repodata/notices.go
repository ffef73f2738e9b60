package repodata

import (
	"cmp"
	"time"

	"terrarium/internal/errs"
)

// Notice is a message that conda shows to the users of a channel (CEP 6).
type Notice struct {
	ID      string // by which a client remembers that it was shown
	Message string
	Level   string // "info", "warning" or "critical"

	CreatedAt, ExpiresAt time.Time
}

// notice is a Notice as written.
type notice struct {
	CreatedAt string `json:"created_at"`
	ExpiresAt string `json:"expires_at"`
	ID        string `json:"id"`
	Level     string `json:"level"`
	Message   string `json:"message"`
	ExpiredAt string `json:"expired_at,omitzero"` // as conda itself reads and others write
}

type noticesDocument struct {
	Notices []notice `json:"notices"`
}

// maxNotices is the largest notices.json that is read, in bytes.
const maxNotices = 1 << 20

// EncodeNotices encodes notices.json in the order given.
func EncodeNotices(notices []Notice) ([]byte, error) {
	doc := noticesDocument{Notices: make([]notice, 0, len(notices))}
	for _, n := range notices {
		doc.Notices = append(doc.Notices, notice{
			ID: n.ID, Message: n.Message, Level: n.Level,
			CreatedAt: n.CreatedAt.UTC().Format(time.RFC3339), ExpiresAt: n.ExpiresAt.UTC().Format(time.RFC3339),
		})
	}
	return marshal(doc)
}

// DecodeNotices reads the notices.json of any server. Times that cannot be
// read are zero, an unknown level is "info". It returns errs.Invalid, or
// errs.TooLarge above 1 MiB.
func DecodeNotices(data []byte) ([]Notice, error) {
	if len(data) > maxNotices {
		return nil, errs.New(errs.TooLarge, "notices.json has %d bytes; the limit is %d.", len(data), maxNotices)
	}
	var doc noticesDocument
	if err := unmarshal(data, &doc); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "notices.json cannot be read.")
	}
	out := make([]Notice, 0, len(doc.Notices))
	for _, n := range doc.Notices {
		switch n.Level {
		case "info", "warning", "critical":
		default:
			n.Level = "info"
		}
		out = append(out, Notice{
			ID: n.ID, Message: n.Message, Level: n.Level,
			CreatedAt: parseTime(n.CreatedAt), ExpiresAt: parseTime(cmp.Or(n.ExpiresAt, n.ExpiredAt)),
		})
	}
	return out, nil
}

// parseTime reads the spellings of ISO 8601 that occur; zero for others.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
