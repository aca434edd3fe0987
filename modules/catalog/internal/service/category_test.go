package service_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/clock"
	"stoa/platform/errs"
)

// paths gives the paths of all categories.
func (s *shop) paths(t testing.TB) []string {
	t.Helper()
	var paths []string
	for after := ""; ; {
		page, err := s.ListCategories(t.Context(), after, 100)
		require.NoError(t, err)
		if len(page) == 0 {
			return paths
		}
		for _, c := range page {
			paths = append(paths, c.Path)
		}
		after = paths[len(paths)-1]
	}
}

// move puts a category below another, or at the root.
func (s *shop) move(t testing.TB, c catalog.Category, below *catalog.Category) (catalog.Category, error) {
	t.Helper()
	patch := service.CategoryPatch{Move: true}
	if below != nil {
		patch.ParentID = &below.ID
	}
	return s.PatchCategory(t.Context(), c.ID, patch)
}

func TestACategoryKnowsItsPath(t *testing.T) {
	t.Parallel()
	s := open(t)
	root := s.category(t, "home", nil)
	leaf := s.category(t, "lamps", &root)
	require.Equal(t, catalog.Category{ID: leaf.ID, Slug: "lamps", Name: "Category lamps", ParentID: &root.ID, Path: "home/lamps"}, leaf)
	s.category(t, "lamps", nil) // the same slug elsewhere
	_, err := s.CreateCategory(t.Context(), service.NewCategory{Name: "X", Slug: "lamps", ParentID: &root.ID})
	require.ErrorIs(t, err, catalog.ErrCategoryTaken)
	made, err := s.CreateCategory(t.Context(), service.NewCategory{Name: "Garden Tools"})
	require.NoError(t, err)
	require.Equal(t, "garden-tools", made.Slug)
	require.Equal(t, []string{"garden-tools", "home", "home/lamps", "lamps"}, s.paths(t))
	for _, bad := range []service.NewCategory{{}, {Name: " "}, {Name: "X", Slug: "a/b"}, {Name: "a\x00b", Slug: "x"}, {Name: "X", ParentID: ptr("nothing")}} {
		_, err := s.CreateCategory(t.Context(), bad)
		require.ErrorIs(t, err, errs.ErrInvalid, "%+v", bad)
	}
}

func TestMovingACategoryMovesWhatLiesBelow(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.category(t, "a", nil)
	ab := s.category(t, "b", &a)
	abc := s.category(t, "c", &ab)
	s.category(t, "b-2", &a) // begins like it, but is not below it
	z := s.category(t, "z", nil)
	p := s.create(t, service.NewProduct{Title: "Lamp", CategoryIDs: []string{abc.ID}})
	both := s.create(t, service.NewProduct{Title: "Both", CategoryIDs: []string{abc.ID, a.ID}})
	listed := func(category string) []string { return sorted(slugs(s.all(t, service.ListQuery{Category: category}))) }

	moved, err := s.move(t, ab, &z)
	require.NoError(t, err)
	require.Equal(t, "z/b", moved.Path)
	require.Equal(t, []string{"a", "a/b-2", "z", "z/b", "z/b/c"}, s.paths(t))
	require.Equal(t, []string{both.Slug}, listed("a"))
	require.Equal(t, []string{both.Slug, p.Slug}, listed("z"))
	require.Equal(t, []string{both.Slug, p.Slug}, listed("z/b/c"))

	got, err := s.GetProduct(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, "z/b/c", got.Categories[0].Path)
	require.EqualValues(t, 1, got.Version)

	_, err = s.PatchCategory(t.Context(), z.ID, service.CategoryPatch{Slug: ptr("zz"), Name: ptr("Last")})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "a/b-2", "zz", "zz/b", "zz/b/c"}, s.paths(t))
	require.Equal(t, []string{both.Slug, p.Slug}, listed("zz"))

	moved, err = s.move(t, ab, nil)
	require.NoError(t, err)
	require.Nil(t, moved.ParentID)
	require.Empty(t, listed("zz"))
	require.Equal(t, []string{both.Slug, p.Slug}, listed("b"))

	_, err = s.PatchCategory(t.Context(), a.ID, service.CategoryPatch{Slug: ptr("b")})
	require.ErrorIs(t, err, catalog.ErrCategoryTaken)
	_, err = s.PatchCategory(t.Context(), "nothing", service.CategoryPatch{Slug: ptr("b")})
	require.ErrorIs(t, err, catalog.ErrCategoryNotFound)
}

func TestCategoriesMakeNoCycle(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.category(t, "a", nil)
	b := s.category(t, "b", &a)
	c := s.category(t, "c", &b)
	for _, below := range []*catalog.Category{&a, &b, &c} {
		_, err := s.move(t, a, below)
		require.ErrorIs(t, err, catalog.ErrCategoryCycle)
	}
	_, err := s.move(t, b, &c)
	require.ErrorIs(t, err, catalog.ErrCategoryCycle)
	require.Equal(t, []string{"a", "a/b", "a/b/c"}, s.paths(t))
}

func TestCategoriesAreNotNestedTooDeep(t *testing.T) {
	t.Parallel()
	s := open(t)
	var above *catalog.Category
	var chain []catalog.Category
	for i := range service.MaxCategoryDepth {
		c := s.category(t, fmt.Sprintf("c%d", i), above)
		above = &c
		chain = append(chain, c)
	}
	_, err := s.CreateCategory(t.Context(), service.NewCategory{Name: "X", ParentID: &above.ID})
	require.ErrorIs(t, err, catalog.ErrCategoryTooDeep)
	root := s.category(t, "root", nil)
	_, err = s.move(t, chain[0], &root)
	require.ErrorIs(t, err, catalog.ErrCategoryTooDeep, "what lies below it would be too deep")
	_, err = s.move(t, chain[1], &root)
	require.NoError(t, err)

	var long catalog.Category
	for i := range 3 {
		n := service.NewCategory{Name: "X", Slug: strings.Repeat("x", 255)}
		if i > 0 {
			n.ParentID = &long.ID
		}
		long, err = s.CreateCategory(t.Context(), n)
		require.NoError(t, err)
	}
	_, err = s.CreateCategory(t.Context(), service.NewCategory{Name: "X", Slug: strings.Repeat("x", 255), ParentID: &long.ID})
	require.ErrorIs(t, err, catalog.ErrCategoryTooDeep, "a path is no longer than %d characters", format.MaxPath)
}

func TestACategoryInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.category(t, "a", nil)
	b := s.category(t, "b", &a)
	p := s.create(t, service.NewProduct{Title: "Lamp", CategoryIDs: []string{b.ID}})
	require.ErrorIs(t, s.DeleteCategory(t.Context(), a.ID), catalog.ErrCategoryInUse)
	require.ErrorIs(t, s.DeleteCategory(t.Context(), b.ID), catalog.ErrCategoryInUse)
	_, err := s.PatchProduct(t.Context(), p.ID, service.ProductPatch{CategoryIDs: &[]string{}}, nil)
	require.NoError(t, err)
	require.NoError(t, s.DeleteCategory(t.Context(), b.ID))
	require.ErrorIs(t, s.DeleteCategory(t.Context(), b.ID), catalog.ErrCategoryNotFound)
	require.NoError(t, s.DeleteCategory(t.Context(), a.ID))
	require.Empty(t, s.paths(t))
}

func TestMovesAtOnceMakeNoCycle(t *testing.T) {
	t.Parallel()
	s := open(t)
	a, b := s.category(t, "a", nil), s.category(t, "b", nil)
	for range 5 {
		results := make([]error, 2)
		together(2, func(i int) {
			if i == 0 {
				_, results[i] = s.move(t, a, &b)
			} else {
				_, results[i] = s.move(t, b, &a)
			}
		})
		require.NotEqual(t, results[0] == nil, results[1] == nil, "%v", results)
		for _, c := range []catalog.Category{a, b} {
			_, err := s.move(t, c, nil)
			require.NoError(t, err)
		}
	}
}

func TestRealCategoriesMakeATree(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("TESTDATA_DIR")
	if dir == "" {
		t.Skip("TESTDATA_DIR is not set")
	}
	text, err := os.ReadFile(filepath.Join(dir, "bestbuy", "categories.json"))
	require.NoError(t, err)
	type ref struct{ ID, Name string }
	var list []struct {
		ID, Name string
		Path     []ref
	}
	require.NoError(t, json.Unmarshal(text, &list))
	require.Len(t, list, 4584)

	s := open(t)
	start := clock.System().Now()
	ids := map[string]catalog.Category{}
	var place func(path []ref) catalog.Category
	place = func(path []ref) catalog.Category {
		last := path[len(path)-1]
		if c, there := ids[last.ID]; there {
			return c
		}
		name := cmp.Or(last.Name, last.ID) // one has none
		n := service.NewCategory{Name: name, Slug: format.Slug(name) + "-" + strings.ToLower(last.ID)}
		if len(path) > 1 {
			parent := place(path[:len(path)-1])
			n.ParentID = &parent.ID
		}
		c, err := s.CreateCategory(t.Context(), n)
		require.NoError(t, err)
		ids[last.ID] = c
		return c
	}
	deepest := 0
	for _, c := range list {
		deepest = max(deepest, len(c.Path))
		require.Equal(t, len(c.Path), 1+strings.Count(place(c.Path).Path, "/"))
	}
	require.Less(t, clock.System().Now().Sub(start), 30*time.Second)
	require.Len(t, s.paths(t), len(ids))
	require.GreaterOrEqual(t, len(ids), 4584)

	// A whole branch moves at once, and everything in it says where it is now.
	branch := place(list[0].Path[:1])
	home := s.category(t, "moved-here", nil)
	var below []string
	for _, path := range s.paths(t) {
		if path == branch.Path || strings.HasPrefix(path, branch.Path+"/") {
			below = append(below, home.Path+"/"+path)
		}
	}
	_, err = s.move(t, branch, &home)
	require.NoError(t, err)
	require.Subset(t, s.paths(t), below)
	require.Equal(t, 6, deepest)
}
