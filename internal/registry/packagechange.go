package registry

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"net/url"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
)

// MaxHome bounds the address of a home page, in runes.
const MaxHome = 500

// PackageSettings are what the administrators of a package say of it.
type PackageSettings struct {
	Summary string
	Home    string // address of its home page, or ""
	Private bool
}

// Settings gives what is said of the package now.
func (p Package) Settings() PackageSettings {
	return PackageSettings{Summary: plainText(attrText(p.Attrs, "summary")), Home: plainText(attrText(p.Attrs, "home")), Private: p.Private}
}

// plainText writes a text the way a form sends it back: no space around it, ends
// of lines as one sign.
func plainText(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
}

// Overtaken stands behind the errs.Conflict of ChangeSettings.
type Overtaken struct {
	Fields []string // what somebody else changed meanwhile: "summary", "home"
	Now    PackageSettings
}

// Error names the fields, for the log.
func (o *Overtaken) Error() string { return strings.Join(o.Fields, " and ") + " changed meanwhile" }

// ChangeSettings sets summary, home page and visibility at once, or none of them;
// admin is needed. seen is what the caller looked at: what wanted leaves as it was
// there stays as it is by now. A text that somebody else has changed meanwhile
// to a third one is errs.Conflict, with an Overtaken behind it.
func (r *Registry) ChangeSettings(ctx context.Context, actor access.Actor, owner, name string, seen, wanted PackageSettings) (p Package, err error) {
	err = r.change(ctx, actor, "package", func(ctx context.Context, c *change) error {
		if p, err = c.loadPackage(ctx, access.Admin, owner, name); err != nil {
			return err
		}
		now := p.Settings()
		seen.Summary, seen.Home = plainText(seen.Summary), plainText(seen.Home)
		wanted.Summary, wanted.Home = plainText(wanted.Summary), plainText(wanted.Home)
		attrs := map[string]string{}
		other := &Overtaken{Now: now}
		for _, text := range []struct{ key, seen, now, wanted string }{
			{"summary", seen.Summary, now.Summary, wanted.Summary}, {"home", seen.Home, now.Home, wanted.Home},
		} {
			switch {
			case text.wanted == text.seen, text.wanted == text.now:
			case text.now != text.seen:
				other.Fields = append(other.Fields, text.key)
			default:
				attrs[text.key] = text.wanted
			}
		}
		if len(other.Fields) > 0 {
			return errs.Wrap(errs.Conflict, other, "Somebody else changed the %s of %s meanwhile. Choose which one stays.", strings.Join(other.Fields, " and the "), p.FullName())
		}
		if err := checkSettings(attrs); err != nil {
			return err
		}
		turns := wanted.Private != seen.Private && wanted.Private != now.Private
		if turns && now.Private {
			if err := c.actor.MayPublish(); err != nil {
				return err
			}
		}
		if len(attrs) > 0 {
			members, err := json.Marshal(attrs)
			if err != nil {
				return fmt.Errorf("write attributes: %w", err)
			}
			if p, err = c.describe(ctx, p, members); err != nil {
				return err
			}
		}
		if turns {
			p, err = c.setPrivate(ctx, p, wanted.Private)
		}
		return err
	})
	return p, err
}

// checkSettings judges the texts that are to change.
func checkSettings(attrs map[string]string) error {
	if n := len([]rune(attrs["summary"])); n > MaxSummary {
		return errs.New(errs.Invalid, "This has %d characters; the limit is %d.", n, MaxSummary).On("summary")
	}
	home := attrs["home"]
	if n := len([]rune(home)); n > MaxHome {
		return errs.New(errs.Invalid, "This has %d characters; the limit is %d.", n, MaxHome).On("home")
	}
	if home != "" {
		if u, err := url.Parse(home); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return errs.New(errs.Invalid, "The home page is an address that begins with https:// or http://.").On("home")
		}
	}
	return nil
}

// describe lays the keys of attrs over the public attributes of a package.
func (c *change) describe(ctx context.Context, p Package, attrs jsontext.Value) (Package, error) {
	before := p.Settings()
	var err error
	if p.Attrs, err = overlay(p.Attrs, attrs); err != nil {
		return Package{}, err
	}
	if len(p.Attrs) > maxAttrs {
		return Package{}, errs.New(errs.TooLarge, "The attributes of %s would have %d bytes; at most %d are kept.", p.FullName(), len(p.Attrs), maxAttrs)
	}
	p.Summary, p.ModifiedAt = summaryOf(p.Attrs), c.now
	_, err = c.exec(ctx, "UPDATE package_rows SET attrs = $2, summary = $3, search_text = $4, modified_at = $5 WHERE id = $1",
		p.ID, p.Attrs, p.Summary, searchText(p), p.ModifiedAt)
	if err != nil {
		return Package{}, fmt.Errorf("change package %s: %w", p.FullName(), err)
	}
	if err := c.refreshPackage(ctx, p.ID); err != nil {
		return Package{}, err
	}
	after := p.Settings()
	return p, c.audit(ctx, audit.Entry{
		Action: "package.update", OwnerID: p.OwnerID, ObjectKind: "package", ObjectID: p.ID, ObjectName: p.FullName(),
		Before: map[string]any{"summary": before.Summary, "home": before.Home}, After: map[string]any{"summary": after.Summary, "home": after.Home},
	})
}

// setPrivate makes a package private or public; whether the actor may publish was
// asked.
func (c *change) setPrivate(ctx context.Context, p Package, private bool) (Package, error) {
	was := p.Private
	p.Private, p.ModifiedAt = private, c.now
	if _, err := c.exec(ctx, "UPDATE package_rows SET private = $2, modified_at = $3 WHERE id = $1", p.ID, p.Private, p.ModifiedAt); err != nil {
		return Package{}, fmt.Errorf("change package %s: %w", p.FullName(), err)
	}
	c.bumpAccess()
	return p, c.audit(ctx, audit.Entry{
		Action: "package.privacy", OwnerID: p.OwnerID, ObjectKind: "package", ObjectID: p.ID, ObjectName: p.FullName(),
		Before: map[string]any{"private": was}, After: map[string]any{"private": private},
	})
}
