package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Selector names files of one owner; nil widens: all of the owner, of a
// package, of a version, or one file.
type Selector struct {
	Package  *string
	Version  *string
	Basename *string
}

// mainLabel is the label of files that were given none: the channel that OWNER
// alone means.
const mainLabel = "main"

// AddLabel puts the selected files into OWNER/LABEL, which is made if need be,
// and gives how many came. Write on each package is needed; errs.Forbidden when
// the channel is locked or not local.
func (r *Registry) AddLabel(ctx context.Context, actor access.Actor, owner, label string, s Selector) (n int, err error) {
	return r.relabel(ctx, actor, relabelling{
		owner: owner, selector: s,
		pick: func(ctx context.Context, c *change) (p picked, err error) {
			if p.owner, p.pkg, p.files, err = c.selected(ctx, owner, s, ""); err != nil {
				return picked{}, err
			}
			p.channel, err = c.target(ctx, p.owner, label)
			return p, err
		},
		idle:  true,
		entry: func(ch Channel, n int) audit.Entry { return labelEntry("label.add", ch, s, n) },
	})
}

// RemoveLabel takes the selected files out of OWNER/LABEL and gives how many
// went. The channel stays, as an empty one. errs.NotFound when there is no such
// label.
func (r *Registry) RemoveLabel(ctx context.Context, actor access.Actor, owner, label string, s Selector) (n int, err error) {
	return r.relabel(ctx, actor, relabelling{
		owner: owner, from: label, selector: s,
		pick: func(ctx context.Context, c *change) (p picked, err error) {
			if p.channel, err = c.loadChannel(ctx, access.Read, owner, label); err != nil {
				return picked{}, err
			}
			p.owner, p.pkg, p.files, err = c.selected(ctx, owner, s, p.channel.ID)
			return p, err
		},
		off:   true,
		entry: func(ch Channel, n int) audit.Entry { return labelEntry("label.remove", ch, s, n) },
	})
}

// CopyLabel puts all files of one label into another, which is made if need be,
// and gives how many came.
func (r *Registry) CopyLabel(ctx context.Context, actor access.Actor, owner, from, to string) (n int, err error) {
	return r.relabel(ctx, actor, relabelling{
		owner: owner, from: from,
		pick: func(ctx context.Context, c *change) (p picked, err error) {
			source, err := c.loadChannel(ctx, access.Read, owner, from)
			if err != nil {
				return picked{}, err
			}
			if err := local(source); err != nil {
				return picked{}, err // its files carry no label that could be copied
			}
			if p.owner, _, p.files, err = c.selected(ctx, owner, Selector{}, source.ID); err != nil {
				return picked{}, err
			}
			p.channel, err = c.target(ctx, p.owner, to)
			return p, err
		},
		entry: func(ch Channel, n int) audit.Entry {
			e := labelEntry("label.copy", ch, Selector{}, n)
			e.After = map[string]any{"from": strings.ToLower(from), "files": n}
			return e
		},
	})
}

func labelEntry(action string, ch Channel, s Selector, n int) audit.Entry {
	return audit.Entry{
		Action: action, OwnerID: ch.OwnerID, ObjectKind: "channel", ObjectID: ch.ID,
		ObjectName: ch.OwnerName + "/" + ch.Name,
		After:      map[string]any{"package": s.Package, "version": s.Version, "basename": s.Basename, "files": n},
	}
}

// selected gives the live files that a selector names and that the actor may
// read, of those in a channel if one is given. A package, version or file that is named and not there is
// errs.NotFound. The package is empty where the selector names none.
func (c *change) selected(ctx context.Context, ownerName string, s Selector, channelID string) (o owner, p Package, files []File, err error) {
	if o, err = loadOwner(ctx, c.tx, ownerName); err != nil {
		return owner{}, Package{}, nil, err
	}
	if s.Package != nil {
		if p, err = c.loadPackage(ctx, access.Read, ownerName, *s.Package); err != nil {
			return owner{}, Package{}, nil, err
		}
	}
	where, args := s.where(o.ID, p.ID, channelID)
	where += " AND " + access.ReadablePackages(whole(c.actor), args.add, c.tx, "p")
	if s.Package == nil { // one that is named is locked
		few := "SELECT few.package_id FROM (SELECT f.package_id" + fileFrom + where + " LIMIT " + strconv.Itoa(labelAtOnce) + ") few" // more are judged again in the end
		if err := c.lockPackages(ctx, few, args...); err != nil {
			return owner{}, Package{}, nil, err
		}
	}
	files, err = sqldb.All(ctx, c.tx, scanFile, fileColumns+fileFrom+where+" ORDER BY f.id", args...)
	if err != nil {
		return owner{}, Package{}, nil, fmt.Errorf("select files of %s: %w", o.Name, err)
	}
	if files, err = c.r.labelled(ctx, c.tx, whole(c.actor), files); err != nil {
		return owner{}, Package{}, nil, err
	}
	if len(files) == 0 && channelID == "" && (s.Version != nil || s.Basename != nil) {
		return owner{}, Package{}, nil, errs.New(errs.NotFound, "No file of %s is selected by that.", o.Name)
	}
	return o, p, files, nil
}

// where is the condition of the live files that a selector names, of one package
// and in one channel where their ids are not "".
func (s Selector) where(ownerID, packageID, channelID string) (string, parameters) {
	where, args := " WHERE f.owner_id = $1 AND f.deleted_at IS NULL", parameters{ownerID}
	if packageID != "" {
		where += " AND f.package_id = " + args.add(packageID)
	}
	if s.Version != nil {
		where += " AND f.version = " + args.add(*s.Version)
	}
	if s.Basename != nil {
		where += " AND f.basename = " + args.add(*s.Basename)
	}
	if channelID != "" {
		// By the list of the channel: asked whether they are in it, all files of the
		// owner would be looked at.
		where += " AND f.id IN (SELECT fc.file_id FROM file_channels fc WHERE fc.channel_id = " + args.add(channelID) + ")"
	}
	return where, args
}

// mayPut judges whether the actor may put a package into a channel. A channel
// that is closed to the actor is answered for like one that is not there.
func (c *change) mayPut(p access.Object, ch Channel) error {
	err := may(c.actor, access.Write, inChannel(p, ch))
	if errs.Is(err, errs.NotFound) {
		if plain := may(c.actor, access.Write, p); plain != nil {
			return plain
		}
		return access.Absent(ch.object())
	}
	return err
}

// mayPutAll is mayPut for calls that name no package. It names none either: a
// channel that is closed, or still to be made, is answered for by its owner.
func (c *change) mayPutAll(ch Channel) error {
	if ch.ID != "" {
		if err := may(c.actor, access.Write, ch.object()); !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	return may(c.actor, access.Write, access.Object{OwnerID: ch.OwnerID, OwnerName: ch.OwnerName, OwnerKind: ch.OwnerKind})
}

// writable judges whether the actor may put files into a channel or take them
// out: first the package that the call names, or else the channel.
func (c *change) writable(p Package, files []File, ch Channel) error {
	err := c.mayPutAll(ch)
	if p.ID != "" {
		err = c.mayPut(p.object(), ch)
	}
	if err != nil {
		return err
	}
	seen := map[string]bool{p.ID: true}
	for _, f := range files {
		if seen[f.PackageID] {
			continue
		}
		seen[f.PackageID] = true
		if err := c.mayPut(f.object(), ch); err != nil {
			return err
		}
	}
	return nil
}

// inChannel is a package seen as part of a channel, to which a grant on the
// channel lets its holder add.
func inChannel(o access.Object, ch Channel) access.Object {
	o.ChannelID, o.Channel, o.Visibility = ch.ID, ch.Name, ch.Visibility
	return o
}

// targets finds the channels into which a file of a package is to go, none made
// yet, and judges whether the actor may put it there.
func (c *change) targets(ctx context.Context, o owner, p Package, labels []string) ([]Channel, error) {
	if len(labels) == 0 {
		labels = []string{mainLabel}
	}
	var channels []Channel
	for _, label := range sortedSet(lowered(labels)) {
		ch, err := c.target(ctx, o, label)
		if err != nil {
			return nil, err
		}
		if err := c.mayPut(p.object(), ch); err != nil {
			return nil, err
		}
		if err := open(ch); err != nil {
			return nil, err
		}
		channels = append(channels, ch)
	}
	return channels, nil
}

// target finds a channel, or says how it will be made: with the visibility of
// OWNER/main.
func (c *change) target(ctx context.Context, o owner, label string) (Channel, error) {
	label = strings.ToLower(label)
	ch, err := findChannel(ctx, c.tx, o, label, c.lock())
	if err == nil || !errs.Is(err, errs.NotFound) {
		return ch, err
	}
	if err := conda.CheckLabel(label); err != nil {
		return Channel{}, err
	}
	visibility := access.Public
	err = c.tx.Row(ctx, "SELECT visibility FROM channels WHERE owner_id = $1 AND name = $2", o.ID, mainLabel).Scan(&visibility)
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return Channel{}, fmt.Errorf("read the visibility of %s/main: %w", o.Name, err)
	}
	return Channel{OwnerID: o.ID, OwnerName: o.Name, OwnerKind: o.Kind, Name: label, Kind: "local", Visibility: visibility, ReplaceRule: replaceAlways}, nil
}

// ensureChannel makes the channel that target only described.
func (c *change) ensureChannel(ctx context.Context, o owner, ch Channel) (Channel, error) {
	if ch.ID != "" {
		return ch, nil
	}
	// Another change of this batch may have made it meanwhile.
	found, err := findChannel(ctx, c.tx, o, ch.Name, c.lock())
	if err == nil || !errs.Is(err, errs.NotFound) {
		return found, err
	}
	return c.createChannel(ctx, ch)
}

// label puts files into a channel and gives how many were not there before.
func (c *change) label(ctx context.Context, ch Channel, files []File) (int, error) {
	if err := open(ch); err != nil {
		return 0, err
	}
	if err := c.mayReplace(ctx, ch, files); err != nil {
		return 0, err
	}
	n, err := c.giveLabel(ctx, ch, ids(files))
	if err != nil {
		return 0, err
	}
	return n, c.list(ctx, ch.ID, ids(files))
}

// giveLabel writes only that files are in a channel, and gives how many were not.
func (c *change) giveLabel(ctx context.Context, ch Channel, fileIDs []string) (int, error) {
	n, err := c.exec(ctx, `INSERT INTO file_channels (file_id, channel_id, added_at)
		SELECT value, $2, $3 FROM `+c.tx.EachText("$1")+` AS wanted WHERE TRUE ON CONFLICT DO NOTHING`, fileIDs, ch.ID, c.now)
	if err != nil {
		return 0, fmt.Errorf("label files with %s: %w", ch.Name, err)
	}
	return int(n), nil
}

// unlabel takes files out of a channel and gives how many were there.
func (c *change) unlabel(ctx context.Context, ch Channel, files []File) (int, error) {
	n, err := c.exec(ctx, "DELETE FROM file_channels WHERE channel_id = $2 AND file_id IN (SELECT value FROM "+c.tx.EachText("$1")+" AS gone)",
		ids(files), ch.ID)
	if err != nil {
		return 0, fmt.Errorf("take the label %s off: %w", ch.Name, err)
	}
	return int(n), c.unlist(ctx, ch.ID, ids(files))
}

// labelsOf gives the names of the channels that a file is in, sorted.
func (c *change) labelsOf(ctx context.Context, fileID string) ([]string, error) {
	labels, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], `SELECT c.name FROM file_channels fc JOIN channels c ON c.id = fc.channel_id
		WHERE fc.file_id = $1 ORDER BY c.name`, fileID)
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	return append([]string{}, labels...), nil
}

// open refuses files for a channel that takes none.
func open(ch Channel) error {
	if err := local(ch); err != nil {
		return err
	}
	return unlocked(ch)
}

// local refuses channels that are no label.
func local(ch Channel) error {
	switch ch.Kind {
	case "local":
		return nil
	case kindSnapshot:
		return errs.New(errs.Forbidden, "%s/%s is a snapshot and stays as it is: no file can come to it or leave it.", ch.OwnerName, ch.Name).Because("channel-not-local")
	}
	return errs.New(errs.Forbidden, "%s/%s is a %s channel. Files come to it from elsewhere and cannot be given its label.",
		ch.OwnerName, ch.Name, ch.Kind).Because("channel-not-local")
}

// unlocked refuses changes of a locked channel.
func unlocked(ch Channel) error {
	if ch.Locked {
		return errs.New(errs.Forbidden, "%s/%s is locked. Unlock it first: anaconda label --unlock %s.", ch.OwnerName, ch.Name, ch.Name).Because("channel-locked")
	}
	return nil
}

// lowered gives the texts in lower case: that is how labels are kept.
func lowered(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}
