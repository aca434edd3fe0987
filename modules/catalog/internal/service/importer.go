package service

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"

	"stoa/modules/catalog/internal/format"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/errs"
)

// importer imports files one after the other: one in a process, and by their
// order and leases one at a time in all processes.
type importer struct {
	*Service
	lease    string               // names this importer
	own      string               // an import that somebody waits for, who tells of its end
	advanced func(i store.Import) // is told how far an import is
}

// errLost says that another importer has the import now.
var errLost = errors.New("the import is another's now")

// next does the oldest import that is open; false where none is, or another
// importer is at it. An error is one that may pass; then the import waits.
func (im *importer) next(ctx context.Context) (bool, error) {
	oldest, some, err := store.NextImport(ctx, im.db.Read())
	if err != nil {
		return false, fmt.Errorf("look for imports: %w", err)
	}
	now := im.clock.Now()
	if !some || oldest.LeasedUntil.After(now) {
		return false, nil
	}
	var (
		i    store.Import
		ours bool
	)
	err = im.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		i, ours, err = store.LeaseImport(ctx, tx, oldest.ID, im.lease, now, now.Add(importLease))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("begin import: %w", err)
	}
	if !ours {
		return false, nil
	}
	err = im.run(ctx, &i)
	var broken *format.FileError
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errLost):
		return false, nil
	case ctx.Err() != nil, errs.KindOf(err).Temporary():
		return false, errors.Join(fmt.Errorf("import %s: %w", i.ID, err), im.release(context.WithoutCancel(ctx), i))
	case errors.As(err, &broken):
		return true, im.end(ctx, i, store.ImportFailed, broken.Error())
	case errors.Is(err, errFileGone):
		return true, im.end(ctx, i, store.ImportFailed, errFileGone.Error())
	}
	im.log.ErrorContext(ctx, "an import failed", "import", i.ID, "rows", i.RowsDone, "error", err)
	return true, im.end(ctx, i, store.ImportFailed, "it met a fault of ours, which stands in the log")
}

// release lets others go on with an import.
func (im *importer) release(ctx context.Context, i store.Import) error {
	return im.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return store.ReturnLease(ctx, tx, i.ID, im.lease) })
}

// end ends an import, and removes its file.
func (im *importer) end(ctx context.Context, i store.Import, status, failure string) error {
	var ended bool
	err := im.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		ended, err = store.EndImport(ctx, tx, i.ID, im.lease, status, failure, im.clock.Now())
		return err
	})
	if err != nil || !ended {
		return err
	}
	im.removeFile(ctx, i)
	level := slog.LevelInfo
	if i.ID == im.own {
		level = slog.LevelDebug
	}
	im.log.Log(ctx, level, "import ended", "import", i.ID, "status", status, "dry_run", i.DryRun, "rows", i.RowsDone,
		"created", i.Created, "updated", i.Updated, "unchanged", i.Same, "errors", i.Errors)
	if !i.DryRun && i.Created+i.Updated > 0 {
		im.tidySearch(ctx)
	}
	return nil
}

// run does what is left of an import.
func (im *importer) run(ctx context.Context, i *store.Import) error {
	if err := im.prepare(ctx, i); err != nil {
		return err
	}
	im.advanced(*i)
	reader, err := format.NewReader(format.Format(i.Format), im.openFile(ctx, i.ID), format.Options{Currency: i.Currency})
	if err != nil {
		return err
	}
	for range i.Done {
		if _, err := reader.Next(); err != nil {
			return err
		}
	}
	claims := newClaims()
	ahead := readAhead(reader)
	defer ahead.stop()
	var ended error // why there is no more to read
	take := func(r read) *batch {
		ended = r.err
		r.batch.mode, r.batch.claims = i.Mode, claims
		return r.batch
	}
	// more gives what can be imported in the same transaction; nil is nothing. On
	// PostgreSQL nobody tells who waits for its rows.
	more := func() *batch {
		if i.DryRun || im.db.Dialect() == db.Postgres || !ahead.grown() || ended != nil || ctx.Err() != nil {
			return nil
		}
		if r, ready := ahead.ready(); ready {
			return take(r)
		}
		return nil
	}
	for ended == nil {
		first := take(ahead.next())
		if len(first.records) == 0 {
			continue
		}
		awaited, err := im.do(ctx, i, first, more)
		if err != nil {
			return err
		}
		ahead.adapt(awaited)
		im.advanced(*i)
	}
	if errors.Is(ended, io.EOF) {
		return im.end(ctx, *i, store.ImportSucceeded, "")
	}
	return ended
}

// prepare counts the rows of a file, by which one that is broken is known
// before any of it is imported. A dry run that was cut short begins anew: what
// it found so far depends on what it did not keep.
func (im *importer) prepare(ctx context.Context, i *store.Import) error {
	rows, err := format.Count(format.Format(i.Format), im.openFile(ctx, i.ID))
	if err != nil {
		return err
	}
	err = im.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		until := im.clock.Now().Add(importLease)
		if i.DryRun {
			if _, err := store.AdvanceImport(ctx, tx, i.ID, im.lease, store.Progress{}, until); err != nil {
				return err
			}
			if err := store.DropImportErrors(ctx, tx, i.ID); err != nil {
				return err
			}
		}
		return kept(store.SetImportTotal(ctx, tx, i.ID, im.lease, int64(rows), until))
	})
	if err != nil {
		return err
	}
	i.RowsTotal = int64(rows)
	if i.DryRun {
		i.Progress = store.Progress{}
	}
	return nil
}

func kept(ours bool, err error) error {
	if err == nil && !ours {
		return errLost
	}
	return err
}

// do imports a batch, and those that more gives while nobody else waits to write:
// what they do and how far the import is are one transaction. It tells whether
// others waited for that.
func (im *importer) do(ctx context.Context, i *store.Import, first *batch, more func() *batch) (awaited bool, err error) {
	var foreseen *plan
	if i.DryRun {
		if err := im.db.Snapshot(ctx, func(ctx context.Context, c db.Conn) (err error) {
			foreseen, err = im.plan(ctx, c, first)
			return err
		}); err != nil {
			return false, err
		}
	}
	var done store.Progress
	batches := []*batch{first}
	err = im.writeBatch(ctx, func(ctx context.Context, tx *db.Tx, carryOut func(b *batch) (*plan, error)) error {
		done = i.Progress
		for n := 0; n < len(batches); n++ {
			b, planned := batches[n], foreseen
			if !i.DryRun {
				var err error
				if planned, err = carryOut(b); err != nil {
					return err
				}
			}
			if err := im.count(ctx, tx, i.ID, &done, b, planned); err != nil {
				return err
			}
			if n+1 < len(batches) || n+1 == together || tx.Awaited() {
				continue
			}
			if next := more(); next != nil {
				batches = append(batches, next)
			}
		}
		awaited = tx.Awaited()
		return kept(store.AdvanceImport(ctx, tx, i.ID, im.lease, done, im.clock.Now().Add(importLease)))
	})
	if err != nil {
		return false, err
	}
	i.Progress = done
	if i.DryRun {
		first.claims.add(foreseen)
	}
	return awaited, nil
}

// count adds what a batch came to, and keeps what was wrong with it.
func (im *importer) count(ctx context.Context, tx *db.Tx, id string, done *store.Progress, b *batch, p *plan) error {
	done.RowsDone += b.rows
	done.Done += int64(len(b.records))
	done.RowsSkipped += p.skipped
	done.Created += int64(len(p.create))
	done.Updated += p.updated
	done.Same += p.same
	before := done.Errors
	done.Errors += int64(len(p.errors))
	room := MaxImportErrors - before
	if room <= 0 || len(p.errors) == 0 {
		return nil
	}
	return store.AddImportErrors(ctx, tx, id, before, p.errors[:min(int64(len(p.errors)), room)])
}

// claims are the SKUs that a dry run has given to products which it did not
// make: hashes, since there may be as many as the file has rows.
type claims struct {
	seed  maphash.Seed
	slugs map[uint64]string
}

func newClaims() *claims { return &claims{maphash.MakeSeed(), map[uint64]string{}} }

func (c *claims) of(sku string) (slug string, claimed bool) {
	slug, claimed = c.slugs[maphash.String(c.seed, sku)]
	return slug, claimed
}

func (c *claims) add(p *plan) {
	for _, made := range p.create {
		for _, v := range made.Variants {
			c.slugs[maphash.String(c.seed, v.SKU)] = made.Slug
		}
	}
	for _, change := range p.change {
		for _, v := range change.after.Variants {
			c.slugs[maphash.String(c.seed, v.SKU)] = change.after.Slug
		}
	}
}
