package registry

import (
	"context"
	"fmt"
	"strings"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// The rules of a channel about other bytes under a name that it has had.
const (
	replaceAlways = "always"
	replaceNever  = "never"
)

// parseReplaceRule reads a rule: "always", "never" or "within 72h". The window is
// 0 for the first and negative for the second.
func parseReplaceRule(s string) (time.Duration, error) {
	switch s {
	case replaceAlways:
		return 0, nil
	case replaceNever:
		return -1, nil
	}
	if text, ok := strings.CutPrefix(s, "within "); ok {
		if d, err := time.ParseDuration(text); err == nil && d > 0 {
			return d, nil
		}
	}
	return 0, errs.New(errs.Invalid, "The rule for replacing files must be always, never or within and a time such as within 72h, and not %q.", clip(s)).On("replace_rule")
}

// past is a file that a channel has shown under a name, beside the digest of the
// one that is to have the name.
type past struct {
	name, sha256, wanted string
	uploaded             time.Time
	id                   string
	deleted              *time.Time
	restorable           bool
}

func scanPast(rows *sqldb.Rows, p *past) error {
	return rows.Scan(&p.name, &p.sha256, &p.wanted, &p.uploaded, &p.id, &p.deleted, &p.restorable)
}

// mayReplace refuses, as errs.Exists, files whose name the channel has shown last
// with other bytes, where its rule forbids that. A window counts from the first
// upload of the name.
//
// Of a staging, what it has listed is no past: this is asked before it is made
// current.
func (c *change) mayReplace(ctx context.Context, ch Channel, files []File) error {
	if ch.ReplaceRule == replaceAlways {
		return nil
	}
	before, err := sqldb.All(ctx, c.tx, scanPast, `SELECT r.subdir || '/' || r.file_name, old.sha256, f.sha256, old.uploaded_at, old.id, old.deleted_at,
			old.stored OR old.source_url <> '' FROM files f
		JOIN packages p ON p.id = f.package_id
		JOIN records r ON r.channel_id = $2 AND r.subdir = f.subdir AND r.name = p.name AND r.file_name = f.name
		JOIN files old ON old.id = r.file_id
		WHERE f.id IN (SELECT value FROM `+c.tx.EachText("$1")+` AS wanted) AND r.added <= (SELECT generation FROM channels WHERE id = $2)
		ORDER BY r.subdir, r.file_name, r.added`, ids(files), ch.ID)
	if err != nil {
		return fmt.Errorf("look for what files replace: %w", err)
	}
	return c.judgeReplace(ch, before)
}

// mayReplaceName is mayReplace for a file that is only announced, so that a client
// which deletes and uploads learns it before it sends bytes. Without a digest
// nothing can be said yet.
func (c *change) mayReplaceName(ctx context.Context, ch Channel, want expected) error {
	if ch.ReplaceRule == replaceAlways || ch.ID == "" || want.SHA256 == "" || want.Subdir == "" {
		return nil
	}
	before, err := sqldb.All(ctx, c.tx, scanPast, `SELECT r.subdir || '/' || r.file_name, old.sha256, lower($4), old.uploaded_at, old.id, old.deleted_at,
			old.stored OR old.source_url <> ''
		FROM records r JOIN files old ON old.id = r.file_id
		WHERE r.channel_id = $1 AND r.subdir = $2 AND r.name = $5 AND r.file_name = $3
		ORDER BY r.added`, ch.ID, want.Subdir, want.FileName, want.SHA256, nameOfFile(want.FileName)())
	if err != nil {
		return fmt.Errorf("look for what %s replaces: %w", want.FileName, err)
	}
	return c.judgeReplace(ch, before)
}

// judgePast is mayReplace for the entries of an import that come into its channel: what
// the rule forbids is left out, and the others come.
func (i *importer) judgePast(ctx context.Context, batch []*entry) error {
	if i.channel.ReplaceRule == replaceAlways {
		return nil
	}
	coming, files := map[string]*entry{}, []string{}
	for _, e := range batch {
		if f := e.fate(i.staging.generation); f == fateNew || f == fateListed {
			coming[i.subdir+"/"+e.fileName], files = e, append(files, e.fileName)
		}
	}
	if len(files) == 0 {
		return nil
	}
	keys, err := fileKeys(files)
	if err != nil {
		return err
	}
	before, err := sqldb.All(ctx, i.r.db, scanPast, `SELECT r.subdir || '/' || r.file_name, old.sha256, '', old.uploaded_at, old.id, old.deleted_at,
			old.stored OR old.source_url <> ''
		FROM records r JOIN files old ON old.id = r.file_id
		WHERE r.channel_id = $1 AND r.subdir = $2 AND `+byFile(i.r.db, "r", "$3")+` AND r.added <= (SELECT generation FROM channels WHERE id = $1)
		ORDER BY r.file_name, r.added`, i.channel.ID, i.subdir, keys)
	if err != nil {
		return fmt.Errorf("look for what the files of a batch replace: %w", err)
	}
	c := &change{r: i.r, now: i.r.now()}
	for len(before) > 0 {
		n := 1
		for n < len(before) && before[n].name == before[0].name {
			n++
		}
		e := coming[before[0].name]
		for k := range before[:n] {
			before[k].wanted = e.record.SHA256
		}
		err := c.judgeReplace(i.channel, before[:n])
		if err != nil && !errs.Is(err, errs.Exists) {
			return err
		}
		e.err, before = err, before[n:]
	}
	return nil
}

// judgeReplace holds names with their pasts, in order, against the channel's rule.
func (c *change) judgeReplace(ch Channel, before []past) error {
	window, err := parseReplaceRule(ch.ReplaceRule)
	if err != nil || window == 0 {
		return err
	}
	first, late, lost := past{}, past{}, past{}
	for i, p := range before {
		if p.name != first.name {
			first = p
		}
		last := i == len(before)-1 || before[i+1].name != p.name
		if last && p.sha256 != p.wanted && (window < 0 || c.now.Sub(first.uploaded) > window) {
			late, lost = first, p
		}
	}
	if late.name == "" {
		return nil
	}
	back := ""
	if lost.deleted != nil && lost.restorable {
		back = fmt.Sprintf(" What was deleted is in the trash until %s: restore it on the page Storage of %s, or with POST /api/v1/trash/%s/%s/restore.",
			lost.deleted.Add(c.r.opts.TrashFor).Format(time.DateOnly), ch.OwnerName, ch.OwnerName, lost.id)
	}
	if window < 0 {
		return errs.New(errs.Exists, "%s/%s never takes other bytes under a name that it has had, and it has had %s. Raise the build number.%s",
			ch.OwnerName, ch.Name, late.name, back).Because("replace-never")
	}
	return errs.New(errs.Exists, "%s/%s takes other bytes under the same name only %s of the first upload; %s was uploaded on %s. Raise the build number.%s",
		ch.OwnerName, ch.Name, ch.ReplaceRule, late.name, late.uploaded.Format(time.DateOnly), back).Because("replace-too-late")
}
