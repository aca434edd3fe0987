package service

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"stoa/modules/catalog/internal/store"
	"stoa/platform/errs"
)

// filePath is where the file of an import lies.
func (s *Service) filePath(file string) string { return filepath.Join(s.dataDir, "imports", file) }

// storeFile writes a file to disk, whole or not at all, in little memory.
func (s *Service) storeFile(ctx context.Context, name string, from io.Reader) (err error) {
	dir := s.filePath("")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return errs.ErrUnavailable.Because(err)
	}
	file, err := os.OpenFile(s.filePath(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errs.ErrUnavailable.Because(err)
	}
	_, err = io.Copy(storing{file}, reading{ctx, from})
	if err == nil {
		err = stored(file.Sync())
	}
	if err = errors.Join(err, stored(file.Close())); err == nil {
		err = stored(syncDir(dir))
	}
	if err != nil {
		return errors.Join(err, os.Remove(s.filePath(name)))
	}
	return nil
}

// storing tells a disk that could not from a file that breaks off.
type storing struct{ file *os.File }

func (w storing) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	return n, stored(err)
}

func stored(err error) error {
	if err != nil {
		return errs.ErrUnavailable.With("the file cannot be stored right now").Because(err)
	}
	return nil
}

// reading is a file that is no longer read when ctx ends.
type reading struct {
	ctx  context.Context
	from io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

// syncDir has a directory's entries written to disk.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// removeFile removes the file of an import that is over. What cannot be removed
// now is when the shop starts again.
func (s *Service) removeFile(ctx context.Context, i store.Import) {
	if i.File == "" {
		return
	}
	if err := os.Remove(s.filePath(i.File)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.WarnContext(ctx, "the file of an import is not removed", "import", i.ID, "error", err)
	}
}

// uploadTime is for how long a file may be on its way here at most.
const uploadTime = time.Hour

// sweepFiles removes files that no import is made of: where the process ended
// between the one and the other.
func (s *Service) sweepFiles(ctx context.Context) error {
	entries, err := os.ReadDir(s.filePath(""))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	files, err := store.OpenImportFiles(ctx, s.db.Read())
	if err != nil {
		return err
	}
	var failed error
	for _, entry := range entries {
		id, err := uuid.Parse(entry.Name())
		if err != nil || files[entry.Name()] {
			continue
		}
		// A file that is arriving has no import yet; its name tells since when.
		seconds, nanoseconds := id.Time().UnixTime()
		if s.clock.Now().Sub(time.Unix(seconds, nanoseconds)) > uploadTime {
			failed = errors.Join(failed, os.Remove(s.filePath(entry.Name())))
		}
	}
	return failed
}
