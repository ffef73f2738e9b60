package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Channel is a named, served view of files: OWNER/NAME. A local channel is what
// a file sees as a label.
type Channel struct {
	ID          string
	OwnerID     string
	OwnerName   string
	OwnerKind   string // "user" or "organization"
	Name        string
	Kind        string // "local", "mirror", "proxy", "virtual", "snapshot"
	Visibility  string // "public", "authenticated", "internal", "private"
	Locked      bool   // no file may come or go
	ReplaceRule string // "always", "within 72h", "never"
	Description string
	Source      string // where an imported or mirrored channel came from; of a snapshot the OWNER/CHANNEL that it shows
	SourceID    string // of a snapshot: the id of that channel
	Generation  int64  // the last one committed when this was read; of a snapshot the one that it shows
	FrozenAt    *int64 // the generation served while frozen
	CreatedAt   time.Time
}

// SourceFor gives where the channel came from, as far as an actor is to know: what is no
// address, but a folder of the server's machine, is told only to who may administer the
// channel.
func (c Channel) SourceFor(actor access.Actor) string {
	told := c.Kind == kindSnapshot || strings.HasPrefix(c.Source, "https://") || strings.HasPrefix(c.Source, "http://")
	if told || access.Can(actor, access.Admin, c.object()).Allowed {
		return c.Source
	}
	return ""
}

// ChannelInfo is a channel in a list.
type ChannelInfo struct {
	Channel
	Files int // live files that carry the label and that the caller may read
}

// NewChannel is a channel to be made. Kind defaults to "local", Visibility to
// that of OWNER/main, ReplaceRule to "always".
type NewChannel struct {
	Name        string
	Kind        string
	Visibility  string
	ReplaceRule string
	Description string
	Source      string
}

// ChannelUpdate holds what is to change; nil leaves a value as it is.
type ChannelUpdate struct {
	Visibility  *string
	ReplaceRule *string
	Description *string
}

const channelColumns = `SELECT c.id, c.owner_id, o.name, o.kind, c.name, c.kind, c.visibility, c.locked, c.replace_rule,
	c.description, c.source, c.generation, c.frozen_at, c.created_at,
	coalesce((SELECT so.name || '/' || s.name FROM channels s JOIN owners so ON so.id = s.owner_id AND so.deleted_at IS NULL WHERE c.kind = 'snapshot' AND s.id = c.source), '')
	FROM channels c JOIN owners o ON o.id = c.owner_id`

func scanChannel(rows *sqldb.Rows, c *Channel) error {
	var of string
	err := rows.Scan(&c.ID, &c.OwnerID, &c.OwnerName, &c.OwnerKind, &c.Name, &c.Kind, &c.Visibility, &c.Locked, &c.ReplaceRule,
		&c.Description, &c.Source, &c.Generation, &c.FrozenAt, &c.CreatedAt, &of)
	if c.Kind == kindSnapshot && c.FrozenAt != nil {
		c.SourceID, c.Source, c.Generation = c.Source, of, *c.FrozenAt
	}
	return err
}

// findChannel finds a channel of an owner; errs.NotFound. lock is "" or what
// ends a SELECT that locks.
func findChannel(ctx context.Context, db *sqldb.DB, o owner, name, lock string) (Channel, error) {
	if lock != "" {
		lock += " OF c"
	}
	list, err := sqldb.All(ctx, db, scanChannel, channelColumns+" WHERE c.owner_id = $1 AND c.name = $2"+lock, o.ID, strings.ToLower(name))
	if err != nil {
		return Channel{}, fmt.Errorf("read channel %s/%s: %w", o.Name, name, err)
	}
	if len(list) == 0 {
		return Channel{}, access.Absent(o.channelObject(strings.ToLower(name)))
	}
	return list[0], nil
}

// loadChannel finds a channel and judges whether the actor may do verb with it. A
// snapshot of what the actor may not read is absent, for changes too: they tell what
// it shows.
func (c *change) loadChannel(ctx context.Context, verb access.Verb, ownerName, name string) (Channel, error) {
	return loadChannel(ctx, c.tx, c.actor, verb, ownerName, name, c.lock())
}

func loadChannel(ctx context.Context, db *sqldb.DB, actor access.Actor, verb access.Verb, ownerName, name, lock string) (Channel, error) {
	o, err := loadOwner(ctx, db, ownerName)
	if err != nil {
		return Channel{}, err
	}
	ch, err := findChannel(ctx, db, o, cmp.Or(name, mainLabel), lock)
	if err != nil {
		return Channel{}, err
	}
	if err := may(actor, verb, ch.object()); err != nil {
		return ch, err
	}
	_, err = shows(ctx, db, actor, ch, ch.object())
	return ch, err
}

// Channel is one channel as the API shows it ("" = main): errs.NotFound for what
// the caller may not read.
func (r *Registry) Channel(ctx context.Context, actor access.Actor, owner, name string) (Channel, error) {
	return loadChannel(ctx, r.db, actor, access.Read, owner, name, "")
}

// Channels lists the channels of an owner that the caller may read, main first.
func (r *Registry) Channels(ctx context.Context, actor access.Actor, owner string) ([]ChannelInfo, error) {
	o, err := loadOwner(ctx, r.db, owner)
	if err != nil {
		return nil, err
	}
	all, err := sqldb.All(ctx, r.db, scanChannel, channelColumns+" WHERE c.owner_id = $1 ORDER BY c.name", o.ID)
	if err != nil {
		return nil, fmt.Errorf("list the channels of %s: %w", o.Name, err)
	}
	if all, err = readableChannels(ctx, r.db, actor, all); err != nil {
		return nil, err
	}
	args := []any{o.ID}
	arg := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	counts := map[string]int{}
	readable := access.ReadablePackagesVia(actor, "api", arg, r.db, "p")
	err = r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var id string
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return err
		}
		counts[id] = n
		return nil
	}, `SELECT fc.channel_id, count(*) FROM file_channels fc JOIN files f ON f.id = fc.file_id JOIN packages p ON p.id = f.package_id
		WHERE f.owner_id = $1 AND f.deleted_at IS NULL AND `+readable+" GROUP BY fc.channel_id", args...)
	if err != nil {
		return nil, fmt.Errorf("count the files of %s: %w", o.Name, err)
	}
	list := []ChannelInfo{}
	for _, ch := range all {
		list = append(list, ChannelInfo{Channel: ch, Files: counts[ch.ID]})
	}
	i := slices.IndexFunc(list, func(c ChannelInfo) bool { return c.Name == mainLabel })
	if i > 0 {
		main := list[i]
		list = slices.Insert(slices.Delete(list, i, i+1), 0, main)
	}
	return list, nil
}

// ChannelFiles lists the live files that carry a label and that the caller may
// read, oldest upload first.
func (r *Registry) ChannelFiles(ctx context.Context, actor access.Actor, owner, name string) ([]File, error) {
	ch, err := r.Channel(ctx, actor, owner, name)
	if err != nil {
		return nil, err
	}
	args := []any{ch.ID}
	arg := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	readable := access.ReadablePackagesVia(actor, "api", arg, r.db, "p")
	files, err := sqldb.All(ctx, r.db, scanFile, fileColumns+fileFrom+` JOIN file_channels fc ON fc.file_id = f.id
		WHERE fc.channel_id = $1 AND f.deleted_at IS NULL AND `+readable+" ORDER BY f.uploaded_at, f.id", args...)
	if err != nil {
		return nil, fmt.Errorf("list the files of %s/%s: %w", ch.OwnerName, ch.Name, err)
	}
	return r.labelled(ctx, r.db, actor, files)
}

// CreateChannel makes a channel; admin on the owner is needed. errs.Exists when
// it is there.
func (r *Registry) CreateChannel(ctx context.Context, actor access.Actor, owner string, n NewChannel) (ch Channel, err error) {
	name := strings.ToLower(n.Name)
	if err := conda.CheckChannelName(name); err != nil {
		return Channel{}, err
	}
	err = r.change(ctx, actor, "channel", func(ctx context.Context, c *change) error {
		o, err := loadOwner(ctx, c.tx, owner)
		if err != nil {
			return err
		}
		if err := may(c.actor, access.Admin, o.object()); err != nil {
			return err
		}
		ch, err = c.target(ctx, o, name)
		if err != nil {
			return err
		}
		if ch.ID != "" {
			return errs.New(errs.Exists, "The channel %s/%s exists already.", o.Name, name).On("name")
		}
		ch.Kind, ch.Description, ch.Source = cmp.Or(n.Kind, "local"), n.Description, n.Source
		ch.Visibility, ch.ReplaceRule = cmp.Or(n.Visibility, ch.Visibility), cmp.Or(n.ReplaceRule, ch.ReplaceRule)
		if err := ch.check(); err != nil {
			return err
		}
		ch, err = c.createChannel(ctx, ch)
		return err
	})
	return ch, err
}

// check refuses, as errs.Invalid, values that no channel may have.
func (c Channel) check() error {
	if !slices.Contains([]string{"local", "mirror", "proxy", "virtual", "snapshot"}, c.Kind) {
		return errs.New(errs.Invalid, "The kind of a channel is local, mirror, proxy, virtual or snapshot, and not %q.", clip(c.Kind)).On("kind")
	}
	if !slices.Contains([]string{access.Public, access.Authenticated, access.Internal, access.Private}, c.Visibility) {
		return errs.New(errs.Invalid, "The visibility of a channel is public, authenticated, internal or private, and not %q.", clip(c.Visibility)).On("visibility")
	}
	if len(c.Description) > 4096 {
		return errs.New(errs.Invalid, "The description has %d bytes; at most 4096 are kept.", len(c.Description)).On("description")
	}
	_, err := parseReplaceRule(c.ReplaceRule)
	return err
}

// createChannel writes the row of a channel.
func (c *change) createChannel(ctx context.Context, ch Channel) (Channel, error) {
	ch.ID, ch.CreatedAt = access.NewID(c.now), c.now
	_, err := c.exec(ctx, `INSERT INTO channels (id, owner_id, name, kind, visibility, locked, replace_rule, description, source, generation, created_at, frozen_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11)`,
		ch.ID, ch.OwnerID, ch.Name, ch.Kind, ch.Visibility, false, ch.ReplaceRule, ch.Description, cmp.Or(ch.SourceID, ch.Source), ch.CreatedAt, ch.FrozenAt)
	if err != nil {
		return Channel{}, fmt.Errorf("insert channel %s/%s: %w", ch.OwnerName, ch.Name, err)
	}
	c.bumpAccess() // somebody may have been told that it does not exist
	return ch, c.audit(ctx, audit.Entry{
		Action: "channel.create", OwnerID: ch.OwnerID, ObjectKind: "channel", ObjectID: ch.ID,
		ObjectName: ch.OwnerName + "/" + ch.Name, After: channelFacts(ch),
	})
}

// channelFacts are what the audit log says about a channel.
func channelFacts(c Channel) map[string]any {
	facts := map[string]any{
		"kind": c.Kind, "visibility": c.Visibility, "locked": c.Locked, "replace_rule": c.ReplaceRule,
		"description": c.Description, "frozen_at": c.FrozenAt,
	}
	if c.Kind == kindSnapshot {
		facts["snapshot_of"] = c.Source
	}
	return facts
}

// UpdateChannel changes a channel; admin on it is needed.
func (r *Registry) UpdateChannel(ctx context.Context, actor access.Actor, owner, name string, u ChannelUpdate) (Channel, error) {
	return r.alterChannel(ctx, actor, owner, name, "channel.update", func(_ context.Context, _ *change, c *Channel) error {
		for _, set := range []struct{ to, from *string }{{&c.Visibility, u.Visibility}, {&c.ReplaceRule, u.ReplaceRule}, {&c.Description, u.Description}} {
			if set.from != nil {
				*set.to = *set.from
			}
		}
		return c.check()
	})
}

// SetVisibility is UpdateChannel for the visibility alone.
func (r *Registry) SetVisibility(ctx context.Context, actor access.Actor, owner, name, visibility string) error {
	_, err := r.UpdateChannel(ctx, actor, owner, name, ChannelUpdate{Visibility: &visibility})
	return err
}

// LockChannel lets no file come or go until UnlockChannel. Locking what is
// locked is no error. Admin on the channel is needed.
func (r *Registry) LockChannel(ctx context.Context, actor access.Actor, owner, name string) error {
	_, err := r.alterChannel(ctx, actor, owner, name, "channel.lock", func(_ context.Context, _ *change, c *Channel) error { c.Locked = true; return nil })
	return err
}

// UnlockChannel undoes LockChannel.
func (r *Registry) UnlockChannel(ctx context.Context, actor access.Actor, owner, name string) error {
	_, err := r.alterChannel(ctx, actor, owner, name, "channel.unlock", func(_ context.Context, _ *change, c *Channel) error { c.Locked = false; return nil })
	return err
}

// FreezeChannel makes the channel serve one generation, while uploads go on: what
// GenerationAt makes of spec, or the present one for "". Where there is no such
// generation, or had been none by then, it is errs.Invalid. Snapshots are
// errs.Forbidden: they are frozen for ever.
func (r *Registry) FreezeChannel(ctx context.Context, actor access.Actor, owner, name, spec string) (Channel, error) {
	return r.alterChannel(ctx, actor, owner, name, "channel.freeze", func(ctx context.Context, c *change, ch *Channel) error {
		if err := ch.mayThaw(); err != nil {
			return err
		}
		at := ch.Generation
		if spec != "" {
			var err error
			at, err = r.generationAt(ctx, c.tx, *ch, spec, true)
			if err == nil && at == 0 {
				err = errs.New(errs.NotFound, "%s/%s had no generation yet at %s.", ch.OwnerName, ch.Name, clip(spec))
			}
			if err != nil {
				return onMember(err, "frozen_at")
			}
		}
		ch.FrozenAt = &at
		return nil
	})
}

// ThawChannel undoes FreezeChannel.
func (r *Registry) ThawChannel(ctx context.Context, actor access.Actor, owner, name string) (Channel, error) {
	return r.alterChannel(ctx, actor, owner, name, "channel.thaw", func(_ context.Context, _ *change, c *Channel) error { c.FrozenAt = nil; return c.mayThaw() })
}

// alterChannel changes the row of a channel. Whoever has it open learns of it,
// because cached rights are forgotten.
func (r *Registry) alterChannel(ctx context.Context, actor access.Actor, owner, name, action string, alter func(context.Context, *change, *Channel) error) (ch Channel, err error) {
	err = r.change(ctx, actor, "channel", func(ctx context.Context, c *change) error {
		if ch, err = c.loadChannel(ctx, access.Admin, owner, name); err != nil {
			return err
		}
		before := channelFacts(ch)
		if err := alter(ctx, c, &ch); err != nil {
			return err
		}
		_, err = c.exec(ctx, "UPDATE channels SET visibility = $2, locked = $3, replace_rule = $4, description = $5, frozen_at = $6 WHERE id = $1",
			ch.ID, ch.Visibility, ch.Locked, ch.ReplaceRule, ch.Description, ch.FrozenAt)
		if err != nil {
			return fmt.Errorf("change channel %s/%s: %w", ch.OwnerName, ch.Name, err)
		}
		c.bumpAccess()
		if was := before["visibility"] == access.Public; was != (ch.Visibility == access.Public) && ch.Kind != kindSnapshot {
			if err := c.reopened(ctx, ch); err != nil {
				return err
			}
		}
		return c.audit(ctx, audit.Entry{
			Action: action, OwnerID: ch.OwnerID, ObjectKind: "channel", ObjectID: ch.ID,
			ObjectName: ch.OwnerName + "/" + ch.Name, Before: before, After: channelFacts(ch),
		})
	})
	return ch, err
}
