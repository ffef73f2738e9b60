package registry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Opened is a channel that one caller may read, and what that caller sees of it.
type Opened struct {
	Channel Channel
	// Source is the channel of which Channel is a snapshot; nil for other kinds.
	Source *Channel
	Actor  access.Actor
	// Hidden are the names of the owner's private packages that this caller
	// may not read, sorted.
	Hidden []string
	// HiddenPackages are the ids of the owner's deleted packages that were
	// private and that this caller could not read, sorted: what the channel
	// listed of them stays closed. Their names may be those of others now.
	HiddenPackages []string
	// HiddenPast are the names of HiddenPackages, sorted.
	HiddenPast []string
	// ViewKey is "" or a short hash of Hidden and HiddenPackages: callers who
	// see the same share it.
	ViewKey string
	// Public is whether anybody at all sees exactly this: the channel is public
	// and its owner has, and had, no private package.
	Public bool
	// Rights is the access generation that was current when this was decided.
	Rights int64
	// door is the family of scopes by which it was decided.
	door string
	// LastKnown is whether the database is away and this is what was known before.
	LastKnown bool
}

// Records is the channel whose records the opened one shows: that of which it is
// a snapshot, else itself.
func (o Opened) Records() Channel {
	if o.Source != nil {
		return *o.Source
	}
	return o.Channel
}

// hides reports whether the caller may not know of a file of the owner: its name
// is that of a closed package, or it belonged to one that was deleted.
func (o Opened) hides(f File) bool {
	_, now := slices.BinarySearch(o.Hidden, f.PackageName)
	_, once := slices.BinarySearch(o.HiddenPackages, f.PackageID)
	return now || once
}

// maxOpened bounds the cache of opened channels; beyond it the cache starts anew.
const maxOpened = 20_000

// openedCache keeps who may open what, under one access generation.
type openedCache struct {
	mu         sync.Mutex
	generation int64
	entries    map[openedKey]openedEntry
}

type openedKey struct{ owner, channel, actor string }

// openedEntry is a verdict: an opened channel without its actor, or the refusal.
type openedEntry struct {
	opened Opened
	err    error
}

func (c *openedCache) get(generation int64, key openedKey) (openedEntry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		return openedEntry{}, false
	}
	e, ok := c.entries[key]
	return e, ok
}

// last gives what was known under whatever generation.
func (c *openedCache) last(key openedKey) (openedEntry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	return e, ok
}

func (c *openedCache) put(generation int64, key openedKey, e openedEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation < c.generation {
		return
	}
	if generation > c.generation || len(c.entries) >= maxOpened || c.entries == nil {
		c.generation, c.entries = generation, map[openedKey]openedEntry{}
	}
	c.entries[key] = e
}

// OpenChannel decides whether the actor may read OWNER/CHANNEL and what they see
// of it ("" = main). It is the door of /conda: somebody unknown gets
// errs.Unauthenticated with the reason "private-or-absent" for a channel that is
// private or absent, a stranger errs.NotFound, a member without the right
// errs.Forbidden, everybody errs.NotFound for an owner that does not exist.
//
// The verdict is cached until anybody's rights change, so that it costs no query
// on one machine. Channel.Generation is of when it was made; ask Generation for
// the present one. While the database is away, wholly public channels that were
// open before stay open to callers without a credential.
func (r *Registry) OpenChannel(ctx context.Context, actor access.Actor, ownerName, channel string) (Opened, error) {
	return r.openCached(ctx, actor, ownerName, channel, func() (owner, error) { return loadOwner(ctx, r.db, ownerName) })
}

// OpenChannelOf is OpenChannel for a channel of the owner of a package that was
// just read.
func (r *Registry) OpenChannelOf(ctx context.Context, actor access.Actor, p Package, channel string) (Opened, error) {
	return r.openCached(ctx, actor, p.OwnerName, channel, func() (owner, error) { return owner{p.OwnerID, p.OwnerName, p.OwnerKind}, nil })
}

func (r *Registry) openCached(ctx context.Context, actor access.Actor, ownerName, channel string, load func() (owner, error)) (Opened, error) {
	key := openedKey{strings.ToLower(ownerName), cmp.Or(strings.ToLower(channel), mainLabel), actor.RightsKey()}
	generation, err := r.opts.Gen.Current(ctx)
	if err != nil {
		if e, ok := r.opened.last(key); ok && e.opened.Public && actor.Anonymous() {
			e.opened.Actor, e.opened.LastKnown = actor, true
			return e.opened, nil
		}
		return Opened{}, err
	}
	e, ok := r.opened.get(generation, key)
	if !ok {
		e.opened, e.err = r.openChannel(ctx, actor, load, key.channel, "conda")
		e.opened.Rights = generation
		if k := errs.KindOf(e.err); e.err == nil || k != errs.Internal && k != errs.Unavailable {
			e.opened.Actor = access.Actor{}
			r.opened.put(generation, key, e)
		}
	}
	e.opened.Actor = actor
	return e.opened, e.err
}

// ReadChannel is OpenChannel behind the door of the API: what the caller may not
// read is errs.NotFound.
func (r *Registry) ReadChannel(ctx context.Context, actor access.Actor, ownerName, channel string) (Opened, error) {
	generation, err := r.opts.Gen.Current(ctx) // before the rows: a later one would vouch for what was not read
	if err != nil {
		return Opened{}, err
	}
	opened, err := r.openChannel(ctx, actor, func() (owner, error) { return loadOwner(ctx, r.db, ownerName) }, cmp.Or(strings.ToLower(channel), mainLabel), "api")
	opened.Actor, opened.Rights = actor, generation
	return opened, err
}

// Rights gives the access generation that is current: what was decided under an
// earlier one may not hold for rows that were read before this call.
func (r *Registry) Rights(ctx context.Context) (int64, error) { return r.opts.Gen.Current(ctx) }

// OpenToAll reports whether a channel is public and its owner has, and had, no private
// package: everybody may see all that the channel lists now.
func (r *Registry) OpenToAll(ctx context.Context, channelID string) (all bool, err error) {
	err = r.db.Row(ctx, `SELECT c.visibility = 'public' AND NOT EXISTS (SELECT 1 FROM packages p WHERE p.owner_id = c.owner_id AND p.private
		AND (p.deleted_at IS NULL OR EXISTS (SELECT 1 FROM files f WHERE f.package_id = p.id))) FROM channels c WHERE c.id = $1`, channelID).Scan(&all)
	if err != nil {
		return false, fmt.Errorf("ask whether everybody sees a channel: %w", err)
	}
	return all, nil
}

// Reopen decides anew, through the same door and for the same caller, under an access
// generation that is not before rights. Where anybody saw the same, so that the answer
// may be kept for others, it decides for anybody. errs.Unavailable where it cannot be
// decided so.
func (r *Registry) Reopen(ctx context.Context, open Opened, rights int64) (again Opened, err error) {
	actor := open.Actor
	if open.Public {
		actor = access.Anonymous(actor.Remote)
	}
	if open.door == "api" {
		again, err = r.ReadChannel(ctx, actor, open.Channel.OwnerName, open.Channel.Name)
	} else {
		again, err = r.OpenChannel(ctx, actor, open.Channel.OwnerName, open.Channel.Name)
	}
	closed := err != nil && actor.Anonymous() && !open.Actor.Anonymous() // to anybody, not to the caller
	if closed || err == nil && (again.Channel.ID != open.Channel.ID || again.LastKnown && again.Rights < rights) {
		return Opened{}, errs.New(errs.Unavailable, "%s/%s was changed at this moment. Try again.", open.Channel.OwnerName, open.Channel.Name)
	}
	return again, err
}

// openChannel is OpenChannel without its cache. door is the family of scopes,
// "conda" or "api".
func (r *Registry) openChannel(ctx context.Context, actor access.Actor, load func() (owner, error), name, door string) (Opened, error) {
	o, err := load()
	if err != nil {
		return Opened{}, err
	}
	ch, err := findChannel(ctx, r.db, o, name, "")
	if errs.Is(err, errs.NotFound) && actor.Anonymous() && door == "conda" {
		object := o.channelObject(name)
		object.Scope = door
		return Opened{}, access.Hidden(object)
	}
	if err != nil {
		return Opened{}, err
	}
	object := ch.object()
	object.Scope = door
	if err := may(actor, access.Read, object); err != nil {
		return Opened{}, err
	}
	opened := Opened{Channel: ch, door: door}
	if opened.Source, err = shows(ctx, r.db, actor, ch, object); err != nil {
		return Opened{}, err
	}
	records := opened.Records()
	o = owner{records.OwnerID, records.OwnerName, records.OwnerKind}
	var args []any
	arg := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	ownerID := arg(o.ID)
	readable := access.ReadablePackagesVia(actor, door, arg, r.db, "p")
	private := 0
	err = r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var id, name string
		var deleted, mine bool
		if err := rows.Scan(&id, &name, &deleted, &mine); err != nil {
			return err
		}
		private++
		switch {
		case mine:
		case deleted:
			opened.HiddenPackages = append(opened.HiddenPackages, id)
			opened.HiddenPast = append(opened.HiddenPast, name)
		default:
			opened.Hidden = append(opened.Hidden, name)
		}
		return nil
	}, "SELECT p.id, p.name, p.deleted_at IS NOT NULL, ("+readable+") FROM packages p WHERE p.owner_id = "+ownerID+" AND p.private"+
		" AND (p.deleted_at IS NULL OR EXISTS (SELECT 1 FROM files f WHERE f.package_id = p.id)) ORDER BY p.name", args...)
	if err != nil {
		return Opened{}, fmt.Errorf("look which packages of %s are private: %w", o.Name, err)
	}
	opened.Hidden = slices.Compact(opened.Hidden)
	opened.Public = ch.Visibility == access.Public && records.Visibility == access.Public && private == 0
	opened.HiddenPast = slices.Compact(opened.HiddenPast)
	slices.Sort(opened.HiddenPackages)
	if len(opened.Hidden)+len(opened.HiddenPackages) > 0 {
		sum := sha256.Sum256([]byte(strings.Join(opened.Hidden, "\n") + "\n\n" + strings.Join(opened.HiddenPackages, "\n")))
		opened.ViewKey = hex.EncodeToString(sum[:8])
	}
	return opened, nil
}
