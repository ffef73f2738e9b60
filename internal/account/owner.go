package account

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Owner is a user or an organisation as everybody may see it.
type Owner struct {
	ID          string
	Name        string
	Kind        string // access.User or access.Organization
	FullName    string
	Company     string
	Location    string
	URL         string
	Description string
	CreatedAt   time.Time
}

// Object gives the owner as an object that access judges.
func (o Owner) Object() access.Object {
	return access.Object{OwnerID: o.ID, OwnerName: o.Name, OwnerKind: o.Kind}
}

// Profile are the fields of an owner that its administrators write.
type Profile struct {
	FullName    string
	Company     string
	Location    string
	URL         string // http or https, or ""
	Description string
}

// ownerColumns are what scanOwner reads, of the table owners under the alias o.
const ownerColumns = "o.id, o.name, o.kind, o.full_name, o.company, o.location, o.url, o.description, o.created_at"

// into lists where the columns of ownerColumns go.
func (o *Owner) into() []any {
	return []any{&o.ID, &o.Name, &o.Kind, &o.FullName, &o.Company, &o.Location, &o.URL, &o.Description, &o.CreatedAt}
}

// Owner gives a user or an organisation by name. One that does not exist or was
// deleted is errs.NotFound.
func (a *Accounts) Owner(ctx context.Context, name string) (Owner, error) {
	return owner(ctx, a.db, name)
}

func owner(ctx context.Context, db *sqldb.DB, name string) (Owner, error) {
	name = clean(strings.ToLower(name))
	var o Owner
	err := db.Row(ctx, "SELECT "+ownerColumns+" FROM owners AS o WHERE o.name = $1 AND o.deleted_at IS NULL", name).Scan(o.into()...)
	if noRows(err) {
		return Owner{}, access.Absent(access.Object{OwnerName: clip(name)})
	}
	if err != nil {
		return Owner{}, fmt.Errorf("look up owner: %w", err)
	}
	return o, nil
}

// OwnerByID gives a user or an organisation by id, with the refusal of Owner.
func (a *Accounts) OwnerByID(ctx context.Context, id string) (Owner, error) {
	var o Owner
	err := a.db.Row(ctx, "SELECT "+ownerColumns+" FROM owners AS o WHERE o.id = $1 AND o.deleted_at IS NULL", id).Scan(o.into()...)
	if noRows(err) {
		return Owner{}, errs.New(errs.NotFound, "This user or organisation does not exist.")
	}
	if err != nil {
		return Owner{}, fmt.Errorf("look up owner by id: %w", err)
	}
	return o, nil
}

// administered gives the owner of a name if the actor may change its settings:
// it is the actor itself, an organisation whose owner or administrator it is, or
// the actor is the operator. scope is as in access.Object.
func (a *Accounts) administered(ctx context.Context, db *sqldb.DB, actor access.Actor, name, scope string) (Owner, error) {
	o, err := owner(ctx, db, name)
	if err != nil {
		return Owner{}, err
	}
	object := o.Object()
	object.Scope = scope
	verdict := access.Can(actor, access.Admin, object)
	if !verdict.Allowed && access.Operates(actor) != nil {
		return Owner{}, verdict.Err(object)
	}
	return o, nil
}

// UpdateProfile writes the profile of an owner. It needs the right to administer
// it.
func (a *Accounts) UpdateProfile(ctx context.Context, actor access.Actor, name string, p Profile) error {
	for _, field := range []struct {
		name, value string
		limit       int
	}{
		{"full_name", p.FullName, 200},
		{"company", p.Company, 200},
		{"location", p.Location, 200},
		{"url", p.URL, 500},
		{"description", p.Description, 5000},
	} {
		if n := len([]rune(field.value)); n > field.limit {
			return errs.New(errs.Invalid, "This has %d characters; the limit is %d.", n, field.limit).On(field.name)
		}
	}
	p = Profile{clean(p.FullName), clean(p.Company), clean(p.Location), clean(p.URL), clean(p.Description)}
	if p.URL != "" {
		if u, err := url.Parse(p.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return errs.New(errs.Invalid, "The home page is an address that begins with https:// or http://.").On("url")
		}
	}
	return a.change(ctx, func(tx *sqldb.DB) error {
		o, err := a.administered(ctx, tx, actor, name, "")
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE owners SET full_name = $1, company = $2, location = $3, url = $4, description = $5 WHERE id = $6`,
			p.FullName, p.Company, p.Location, p.URL, p.Description, o.ID)
		if err != nil {
			return fmt.Errorf("update a profile: %w", err)
		}
		before := Profile{o.FullName, o.Company, o.Location, o.URL, o.Description}
		return a.record(ctx, tx, actor, audit.Entry{
			Action: o.Kind + ".update", OwnerID: o.ID, ObjectKind: o.Kind, ObjectID: o.ID, ObjectName: o.Name, Before: before, After: p,
		})
	})
}

// insertOwner makes the row of an owner and its channel main. The caller has
// checked the name by free.
func (a *Accounts) insertOwner(ctx context.Context, tx *sqldb.DB, o Owner, visibility string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO owners (id, name, name_key, kind, full_name, description, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		o.ID, o.Name, access.NameKey(o.Name), o.Kind, o.FullName, o.Description, o.CreatedAt)
	if err != nil {
		return fmt.Errorf("make owner %s: %w", o.Name, err)
	}
	return a.createMain(ctx, tx, o, visibility)
}

// createMain makes OWNER/main, which exists from the owner's first moment.
func (a *Accounts) createMain(ctx context.Context, tx *sqldb.DB, o Owner, visibility string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO channels (id, owner_id, name, kind, visibility, locked, generation, created_at)
		VALUES ($1, $2, 'main', 'local', $3, FALSE, 0, $4)`,
		access.NewID(o.CreatedAt), o.ID, visibility, o.CreatedAt)
	if err != nil {
		return fmt.Errorf("make the channel %s/main: %w", o.Name, err)
	}
	return nil
}

// CheckName refuses names that no new owner can have: errs.Invalid where the name
// breaks a rule or is reserved, errs.Exists where it or one that looks like it is
// taken. Details then hold two names that are free.
func (a *Accounts) CheckName(ctx context.Context, name string) error {
	return a.free(ctx, a.db, strings.ToLower(strings.TrimSpace(name)), "Username")
}

// free is CheckName inside a transaction; noun begins the sentence.
func (a *Accounts) free(ctx context.Context, db *sqldb.DB, name, noun string) error {
	if err := access.CheckOwnerName(name); err != nil {
		if errs.Reason(err) != "name-reserved" {
			return err
		}
		free, err := proposals(ctx, db, name)
		if err != nil {
			return err
		}
		return errs.New(errs.Invalid, "%s %s is reserved. Free: %s.", noun, name, strings.Join(free, ", ")).
			On("name").Because("name-reserved").With(free...)
	}
	is, err := taken(ctx, db, name)
	if err != nil || !is {
		return err
	}
	free, err := proposals(ctx, db, name)
	if err != nil {
		return err
	}
	return errs.New(errs.Exists, "%s %s is taken. Free: %s.", noun, name, strings.Join(free, ", ")).
		On("name").Because("name-taken").With(free...)
}

// taken reports whether an owner has the name or one that looks like it. Names
// of deleted owners stay taken until FreeNames.
func taken(ctx context.Context, db *sqldb.DB, name string) (bool, error) {
	var n int
	err := db.Row(ctx, "SELECT COUNT(*) FROM owners WHERE name_key = $1", access.NameKey(name)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look whether a name is taken: %w", err)
	}
	return n > 0, nil
}

// proposals gives two free names like a taken one.
func proposals(ctx context.Context, db *sqldb.DB, name string) ([]string, error) {
	stem := strings.Trim(name, "-_")
	stem = stem[:min(len(stem), 32)]
	candidates := []string{stem + "-lab"}
	for n := 1; n <= 9; n++ {
		candidates = append(candidates, fmt.Sprintf("%s%d", stem, n))
	}
	for range 3 {
		candidates = append(candidates, stem+"-"+newSecret()[:4])
	}
	var free []string
	for _, c := range candidates {
		if access.CheckOwnerName(c) != nil {
			continue
		}
		is, err := taken(ctx, db, c)
		if err != nil {
			return nil, err
		}
		if !is {
			free = append(free, c)
		}
		if len(free) == 2 {
			break
		}
	}
	return free, nil
}

// clip shortens what people typed, for sentences.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
