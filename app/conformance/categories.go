package conformance

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// categories are what the tree of categories promises.
func categories() []promise {
	return []promise{
		{"a category knows its path from the root", categoryPaths},
		{"moving a category moves what lies below", movesCategories},
		{"a cycle is refused", categoryCycles},
		{"moves at once make no cycle", categoryCyclesAtOnce},
		{"bad values are refused", badCategories},
		{"a product is found in its category and all above", productsInCategories},
	}
}

// branch makes categories below each other.
func (w *world) branch(t testing.TB, names ...string) []Category {
	t.Helper()
	var made []Category
	var parent *string
	for _, name := range names {
		c := w.category(t, unique(name), parent)
		made = append(made, c)
		parent = &c.ID
	}
	return made
}

func (w *world) category(t testing.TB, slug string, parent *string) Category {
	t.Helper()
	a := w.staff.Post(t, "/categories", fields{"slug": slug, "name": "Category " + slug, "parent_id": parent}).Want(t, http.StatusCreated)
	shape(t, a.Body, categoryFields...)
	return decode[Category](t, a)
}

// categoriesNow gives all categories by id.
func (w *world) categoriesNow(t testing.TB) map[string]Category {
	t.Helper()
	byID := map[string]Category{}
	for _, c := range all[Category](t, w.anyone, "/categories", nil) {
		byID[c.ID] = c
	}
	return byID
}

func categoryPaths(t *testing.T, w *world) {
	b := w.branch(t, "root", "middle", "leaf")
	require.Regexp(t, uuidV7, b[0].ID)
	require.Nil(t, b[0].ParentID)
	require.Equal(t, b[0].Slug, b[0].Path)
	require.Equal(t, b[0].Slug+"/"+b[1].Slug, b[1].Path)
	require.Equal(t, b[0].Slug+"/"+b[1].Slug+"/"+b[2].Slug, b[2].Path)
	now := w.categoriesNow(t)
	for _, c := range b {
		require.Equal(t, c, now[c.ID])
	}
	w.staff.Delete(t, "/categories/"+b[2].ID).Want(t, http.StatusNoContent)
	require.NotContains(t, w.categoriesNow(t), b[2].ID)
	w.staff.Delete(t, "/categories/"+b[2].ID).Problem(t, http.StatusNotFound, "catalog.category_not_found")
	for _, who := range []*Caller{w.customer, w.anyone} {
		who.Post(t, "/categories", fields{"slug": unique("x"), "name": "X"}).Refused(t, http.StatusUnauthorized, http.StatusForbidden)
		who.Patch(t, "/categories/"+b[0].ID, fields{"name": "X"}).Refused(t, http.StatusUnauthorized, http.StatusForbidden)
		who.Delete(t, "/categories/"+b[0].ID).Refused(t, http.StatusUnauthorized, http.StatusForbidden)
	}
}

func movesCategories(t *testing.T, w *world) {
	b := w.branch(t, "root", "middle", "leaf")
	other := w.category(t, unique("other"), nil)
	moved := decode[Category](t, w.staff.Patch(t, "/categories/"+b[1].ID, fields{"parent_id": other.ID}).Want(t, http.StatusOK))
	require.Equal(t, other.Slug+"/"+b[1].Slug, moved.Path)
	require.Equal(t, other.Slug+"/"+b[1].Slug+"/"+b[2].Slug, w.categoriesNow(t)[b[2].ID].Path)

	slug := unique("renamed")
	w.staff.Patch(t, "/categories/"+b[1].ID, fields{"slug": slug, "name": "Renamed"}).Want(t, http.StatusOK)
	require.Equal(t, other.Slug+"/"+slug+"/"+b[2].Slug, w.categoriesNow(t)[b[2].ID].Path)

	top := decode[Category](t, w.staff.Patch(t, "/categories/"+b[1].ID, fields{"parent_id": nil}).Want(t, http.StatusOK))
	require.Nil(t, top.ParentID)
	require.Equal(t, slug, top.Path)
}

func categoryCycles(t *testing.T, w *world) {
	b := w.branch(t, "root", "middle", "leaf")
	for _, parent := range b {
		w.staff.Patch(t, "/categories/"+b[0].ID, fields{"parent_id": parent.ID}).Refused(t, http.StatusUnprocessableEntity)
	}
	w.staff.Patch(t, "/categories/"+b[1].ID, fields{"parent_id": b[2].ID}).Refused(t, http.StatusUnprocessableEntity)
	now := w.categoriesNow(t)
	for _, c := range b {
		require.Equal(t, c.Path, now[c.ID].Path)
	}
}

func categoryCyclesAtOnce(t *testing.T, w *world) {
	a, b := w.category(t, unique("one"), nil), w.category(t, unique("two"), nil)
	for range 5 {
		answers := together(2, func(i int) *Answer {
			child, parent := a, b
			if i == 1 {
				child, parent = b, a
			}
			return w.staff.Try(t.Context(), http.MethodPatch, base+"/categories/"+child.ID, fields{"parent_id": parent.ID})
		})
		moved := 0
		for _, answer := range answers {
			if answer.Status == http.StatusOK {
				moved++
			} else {
				answer.Refused(t, http.StatusUnprocessableEntity)
			}
		}
		require.Equal(t, 1, moved)
		for _, c := range []Category{a, b} {
			w.staff.Patch(t, "/categories/"+c.ID, fields{"parent_id": nil}).Want(t, http.StatusOK)
		}
	}
}

func badCategories(t *testing.T, w *world) {
	for _, bad := range []fields{
		{}, {"slug": unique("x")}, {"slug": unique("x"), "name": 5}, {"slug": unique("x"), "name": "X", "parent_id": 5}, {"slug": "a/b", "name": "X"},
		{"slug": unique("x"), "name": "X", "path": "x/y"}, {"slug": unique("x"), "name": "X", "unknown": 1},
	} {
		w.staff.Post(t, "/categories", bad).Refused(t, http.StatusUnprocessableEntity)
	}
	w.staff.Post(t, "/categories", fields{"slug": unique("x"), "name": "X", "parent_id": "0193f3a0-0000-7000-8000-000000000000"}).
		Refused(t, http.StatusUnprocessableEntity, http.StatusNotFound)
	w.staff.Patch(t, "/categories/0193f3a0-0000-7000-8000-000000000000", fields{"name": "X"}).Problem(t, http.StatusNotFound, "catalog.category_not_found")
}

func productsInCategories(t *testing.T, w *world) {
	b := w.branch(t, "root", "middle", "leaf")
	body := productBody(unique("placed"), usd(100))
	body["category_ids"] = []string{b[2].ID}
	a := w.staff.Post(t, "/products", body).Want(t, http.StatusCreated)
	for _, c := range elements(t, part(t, a.Body, "categories")) {
		shape(t, c, "id", "slug", "name", "path")
	}
	p := decode[Product](t, a)
	require.Len(t, p.Categories, 1)
	require.Equal(t, []string{b[2].ID, b[2].Slug, b[2].Path}, []string{p.Categories[0].ID, p.Categories[0].Slug, p.Categories[0].Path})
	for _, category := range []string{b[0].Slug, b[1].Slug, b[2].Slug, b[0].Path, b[1].Path, b[2].Path} {
		found := get[List[Product]](t, w.anyone, "/products?category="+url.QueryEscape(category)).Items
		require.Len(t, found, 1, "?category=%s", category)
		require.Equal(t, p.ID, found[0].ID)
	}
	require.Empty(t, all[Product](t, w.anyone, "/products", url.Values{"category": {b[1].Slug + "/nowhere"}}))

	sibling := w.category(t, unique("sibling"), &b[0].ID)
	w.staff.Patch(t, "/products/"+p.ID, fields{"category_ids": []string{sibling.ID}}).Want(t, http.StatusOK)
	require.Empty(t, get[List[Product]](t, w.anyone, "/products?category="+b[1].Slug).Items)
	require.Len(t, get[List[Product]](t, w.anyone, "/products?category="+b[0].Slug).Items, 1)
}
