package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// kindSnapshot is the kind of a channel that shows one generation of another,
// under its own name. It has no records and no files: the column source holds the
// id of the other channel, frozen_at the generation.
const kindSnapshot = "snapshot"

// snapshotOfClosed is the condition of channels c that are snapshots of one that
// is not public, or that is gone with its owner.
const snapshotOfClosed = "(c.kind = 'snapshot' AND NOT EXISTS (SELECT 1 FROM channels s JOIN owners so ON so.id = s.owner_id WHERE s.id = c.source AND s.visibility = 'public' AND so.deleted_at IS NULL))"

// NewSnapshot is a snapshot to be made. At is what GenerationAt takes, "" for
// what the channel serves now. Visibility "" is that of the channel.
type NewSnapshot struct {
	Name        string
	Owner       string // of the channel that it shows
	Channel     string // "" = main
	At          string
	Visibility  string
	Description string
}

// CreateSnapshot makes a channel that shows one generation of another for ever.
// Admin on its owner is needed, and to read the other channel. Whoever reads the
// snapshot must be allowed to read the other channel too, and sees of its private
// packages what they may see then: no snapshot opens what was closed since. A
// snapshot of a snapshot is one of the same channel.
func (r *Registry) CreateSnapshot(ctx context.Context, actor access.Actor, ownerName string, n NewSnapshot) (ch Channel, err error) {
	name := strings.ToLower(n.Name)
	if err := conda.CheckChannelName(name); err != nil {
		return Channel{}, err
	}
	err = r.change(ctx, actor, "channel", func(ctx context.Context, c *change) error {
		o, err := loadOwner(ctx, c.tx, ownerName)
		if err != nil {
			return err
		}
		if err := may(c.actor, access.Admin, o.object()); err != nil {
			return err
		}
		from, err := c.loadChannel(ctx, access.Read, n.Owner, n.Channel)
		if err != nil {
			return err
		}
		if ch, err = c.target(ctx, o, name); err != nil {
			return err
		}
		if ch.ID != "" {
			return errs.New(errs.Exists, "The channel %s/%s exists already.", o.Name, name).On("name")
		}
		at, err := c.r.generationAt(ctx, c.tx, from, n.At, true)
		if err != nil {
			return onMember(err, "at")
		}
		ch.Kind, ch.Visibility, ch.Description, ch.FrozenAt = kindSnapshot, from.Visibility, n.Description, &at
		ch.Source, ch.SourceID = from.OwnerName+"/"+from.Name, from.ID
		if from.Kind == kindSnapshot {
			ch.Source, ch.SourceID = from.Source, from.SourceID
		}
		if n.Visibility != "" {
			ch.Visibility = n.Visibility
		}
		if err := ch.check(); err != nil {
			return err
		}
		ch, err = c.createChannel(ctx, ch)
		ch.Generation = at
		return err
	})
	return ch, err
}

// onMember makes the refusal of a generation one of a member of the request.
func onMember(err error, member string) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.Invalid, "%s", errs.Message(err)).On(member)
	}
	return err
}

// TakesFiles refuses, as errs.Forbidden, channels whose files nobody can change
// through them: those that are not local.
func (c Channel) TakesFiles() error { return local(c) }

// mayThaw refuses to freeze or thaw what is frozen for ever.
func (c Channel) mayThaw() error {
	if c.Kind != kindSnapshot {
		return nil
	}
	return errs.New(errs.Forbidden, "%s/%s is a snapshot of %s and stays at its generation. Make another one.", c.OwnerName, c.Name, c.Source).Because("channel-not-local")
}

// shows gives the channel of which ch is a snapshot, nil where it is none. An
// actor who may not read that one is refused as if ch were closed; object is ch
// as it is judged.
func shows(ctx context.Context, db *sqldb.DB, actor access.Actor, ch Channel, object access.Object) (*Channel, error) {
	if ch.Kind != kindSnapshot {
		return nil, nil //nolint:nilnil // most channels show themselves
	}
	sources, err := channelsByID(ctx, db, []string{ch.SourceID})
	if err != nil {
		return nil, err
	}
	source, ok := sources[ch.SourceID]
	if !ok && actor.Anonymous() && object.Scope == "conda" {
		return nil, access.Hidden(object)
	}
	if !ok {
		return nil, access.Absent(object)
	}
	judged := source.object()
	judged.Scope = object.Scope
	if err := access.Can(actor, access.Read, judged).Err(object); err != nil {
		return nil, err
	}
	return &source, nil
}

// channelsByID reads channels of owners that are there.
func channelsByID(ctx context.Context, db *sqldb.DB, ids []string) (map[string]Channel, error) {
	list, err := sqldb.All(ctx, db, scanChannel, channelColumns+" WHERE o.deleted_at IS NULL AND c.id IN (SELECT value FROM "+db.EachText("$1")+" AS wanted)", ids)
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	found := make(map[string]Channel, len(list))
	for _, ch := range list {
		found[ch.ID] = ch
	}
	return found, nil
}

// readableChannels leaves out the channels that an actor may not read, and the
// snapshots of such.
func readableChannels(ctx context.Context, db *sqldb.DB, actor access.Actor, all []Channel) ([]Channel, error) {
	var ids []string
	for _, ch := range all {
		if ch.Kind == kindSnapshot {
			ids = append(ids, ch.SourceID)
		}
	}
	var sources map[string]Channel
	if len(ids) > 0 {
		var err error
		if sources, err = channelsByID(ctx, db, ids); err != nil {
			return nil, err
		}
	}
	open := func(ch Channel) bool { return access.Can(actor, access.Read, ch.object()).Allowed }
	var list []Channel
	for _, ch := range all {
		source, ok := sources[ch.SourceID]
		if open(ch) && (ch.Kind != kindSnapshot || ok && open(source)) {
			list = append(list, ch)
		}
	}
	return list, nil
}

// GenerationAt finds the generation of an opened channel that spec names: a
// number, a date (the end of that day, UTC) or an RFC 3339 time. Generations
// begin at 1; a time before the first gives 0, the empty channel. Numbers that no
// change took stand for the state of the last one below them. A snapshot has one
// generation, and had none before it was made.
func (r *Registry) GenerationAt(ctx context.Context, o Opened, spec string) (int64, error) {
	return r.generationAt(ctx, r.db, o.Channel, spec, o.ViewKey == "")
}

// generationAt is GenerationAt, and "" is what the channel serves now. Without
// tell a refusal does not name the last generation, which may be of what is hidden.
func (r *Registry) generationAt(ctx context.Context, db *sqldb.DB, ch Channel, spec string, tell bool) (int64, error) {
	name := ch.OwnerName + "/" + ch.Name
	if spec == "" && ch.FrozenAt != nil {
		return *ch.FrozenAt, nil
	}
	if strings.Trim(spec, "0123456789") == "" {
		var last int64
		if err := db.Row(ctx, "SELECT generation FROM channels WHERE id = $1", ch.ID).Scan(&last); errors.Is(err, sqldb.ErrNoRows) {
			return 0, errs.New(errs.NotFound, "The channel is not there any more.")
		} else if err != nil {
			return 0, fmt.Errorf("read the generation of %s: %w", name, err)
		}
		if spec == "" {
			return last, nil
		}
		n, err := strconv.ParseInt(spec, 10, 64)
		switch {
		case ch.Kind == kindSnapshot && (err != nil || n != *ch.FrozenAt):
			return 0, errs.New(errs.NotFound, "%s is a snapshot and has the generation %d alone.", name, *ch.FrozenAt)
		case err == nil && ch.Kind == kindSnapshot:
			return n, nil
		case err == nil && n <= last:
			// Between two in the log is nothing but the first of them: who asks for many of
			// these numbers is to have one state made, not many.
			return newestGeneration(ctx, db, ch, "number <= $2", n)
		case !tell:
			return 0, errs.New(errs.NotFound, "%s has no generation %s.", name, clip(spec))
		}
		return 0, errs.New(errs.NotFound, "%s has no generation %s; the last one is %d.", name, clip(spec), last)
	}
	until, err := time.Parse(time.DateOnly, spec)
	if err == nil {
		until = until.AddDate(0, 0, 1)
	} else if until, err = time.Parse(time.RFC3339, spec); err != nil {
		return 0, errs.New(errs.NotFound, "%q is neither a generation nor a date such as 2026-11-21.", clip(spec))
	} else {
		until = until.Add(time.Microsecond) // the moment itself counts
	}
	if last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC); until.After(last) {
		until = last // SQLite compares times as text: a year of five digits comes before all others
	}
	if ch.Kind == kindSnapshot {
		if ch.CreatedAt.Before(until) {
			return *ch.FrozenAt, nil
		}
		return 0, nil
	}
	return newestGeneration(ctx, db, ch, "at < $2", until)
}

// newestGeneration gives the last generation in the log of a channel for which a
// condition holds, of which $2 is given; 0 where there is none.
func newestGeneration(ctx context.Context, db *sqldb.DB, ch Channel, condition string, arg any) (n int64, err error) {
	err = db.Row(ctx, "SELECT number FROM generations WHERE channel_id = $1 AND "+condition+" ORDER BY number DESC LIMIT 1", ch.ID, arg).Scan(&n)
	if errors.Is(err, sqldb.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for a generation of %s/%s: %w", ch.OwnerName, ch.Name, err)
	}
	return n, nil
}
