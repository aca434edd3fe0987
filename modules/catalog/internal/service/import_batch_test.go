package service_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog/internal/service"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

// Batches grow where nobody waits for them, and are small where somebody does.
func TestAnImportMakesWayForOthersWhoWrite(t *testing.T) {
	t.Parallel()
	largest := func(t *testing.T, busy bool) (most int64) {
		s := openImporting(t)
		_, err := s.ImportFile(t.Context(), strings.NewReader(manyProducts(1)), "one.csv", csvFile, func(service.Import) {})
		require.NoError(t, err)
		var writing sync.WaitGroup
		ended := make(chan struct{})
		for range 4 {
			writing.Go(func() {
				for busy {
					select {
					case <-ended:
						return
					default:
					}
					if _, err := s.Adjust(t.Context(), "p-0-s", 1, "found"); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		var last int64
		i, err := s.ImportFile(t.Context(), strings.NewReader(manyProducts(3000)), "x.csv", csvFile, func(i service.Import) {
			done := i.ProductsCreated + i.ProductsUpdated + i.ProductsUnchanged
			most, last = max(most, done-last), done
		})
		close(ended)
		writing.Wait()
		require.NoError(t, err)
		require.Equal(t, "succeeded", i.Status)
		return most
	}
	require.Greater(t, largest(t, false), int64(1000))
	if dbtest.Dialect() == db.SQLite { // on PostgreSQL nobody waits
		require.LessOrEqual(t, largest(t, true), int64(400))
	}
}

// A transaction of several batches ends after the one at which others come.
func TestALargeImportMakesWayInTheMiddleOfATransaction(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	_, err := s.ImportFile(t.Context(), strings.NewReader(manyProducts(1)), "one.csv", csvFile, func(service.Import) {})
	require.NoError(t, err)
	var (
		writing    sync.WaitGroup
		ended      = make(chan struct{})
		last, most int64
		after      []int64 // what each transaction imported since others write
	)
	products := 16_000
	if dbtest.Dialect() == db.Postgres {
		products = 6_000
	}
	i, err := s.ImportFile(t.Context(), strings.NewReader(manyProducts(products)), "x.csv", csvFile, func(i service.Import) {
		done := i.ProductsCreated + i.ProductsUpdated + i.ProductsUnchanged
		imported := done - last
		last = done
		if most > 3200 {
			after = append(after, imported)
		}
		if most = max(most, imported); most <= 3200 || len(after) > 0 {
			return
		}
		for range 4 {
			wrote := make(chan struct{}, 1)
			writing.Go(func() {
				for {
					if _, err := s.Adjust(t.Context(), "p-0-s", 1, "found"); err != nil {
						t.Error(err)
					}
					select {
					case wrote <- struct{}{}:
					default:
					}
					select {
					case <-ended:
						return
					default:
					}
				}
			})
			<-wrote
		}
	})
	close(ended)
	writing.Wait()
	require.NoError(t, err)
	require.Equal(t, "succeeded", i.Status)
	if dbtest.Dialect() == db.Postgres { // nobody tells who waits
		require.LessOrEqual(t, most, int64(1600))
		return
	}
	require.NotEmpty(t, after)
	require.LessOrEqual(t, after[0], int64(1600))
}
