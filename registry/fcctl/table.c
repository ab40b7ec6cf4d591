/* framecache: tables on a terminal or in a file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fcctl.h"

#define GAP 2
#define FIRST_LEAST 8 /* columns of a first column that had to be cut */
#define LABEL 14      /* columns of a line's label */
#define TEXT_LEAST 20 /* of its text, however narrow the terminal is */

struct _FcctlTable
{
  guint n; /* columns */
  gchar **titles;
  gboolean *right;
  GPtrArray *rows; /* of GStrv */
};

/* What a cell takes ------------------------------------------------------ */

/* The end of the colour escape that begins at P, or P. Text was escaped before
 * it came here: an ESC is one of our own. */
static const gchar *
skip_escape (const gchar *p)
{
  const gchar *end;

  if (*p != '\033')
    return p;
  end = strchr (p, 'm');
  return end != NULL ? end + 1 : p + strlen (p);
}

static guint
char_width (gunichar c)
{
  return g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
}

guint
fcctl_columns (const gchar *text)
{
  guint width = 0;

  for (const gchar *p = text; *p != '\0';)
    {
      const gchar *end = skip_escape (p);

      if (end == p)
        {
          width += char_width (g_utf8_get_char (p));
          end = g_utf8_next_char (p);
        }
      p = end;
    }
  return width;
}

/* Where it has to be cut, its last column is an ellipsis; escapes stay. */
gchar *
fcctl_cut (const gchar *text, guint width)
{
  gboolean utf8 = g_get_charset (NULL), cut = FALSE;
  GString *out = g_string_new (NULL);
  guint used = 0;

  if (fcctl_columns (text) <= width)
    return g_string_free (g_string_assign (out, text), FALSE);
  for (const gchar *p = text; *p != '\0';)
    {
      const gchar *end = skip_escape (p);

      if (end > p)
        g_string_append_len (out, p, end - p);
      else
        {
          end = g_utf8_next_char (p);
          used += char_width (g_utf8_get_char (p));
          if (!cut && used >= width)
            {
              cut = TRUE;
              g_string_append (out, width == 0 ? "" : utf8 ? "…" : ">");
            }
          if (!cut)
            g_string_append_len (out, p, end - p);
        }
      p = end;
    }
  return g_string_free (out, FALSE);
}

/* Tables ----------------------------------------------------------------- */

FcctlTable *
fcctl_table_new (const gchar *const *titles)
{
  FcctlTable *table = g_new0 (FcctlTable, 1);

  table->n = g_strv_length ((gchar **) titles);
  table->titles = g_new0 (gchar *, table->n + 1);
  table->right = g_new0 (gboolean, table->n);
  table->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  for (guint i = 0; i < table->n; i++)
    {
      table->right[i] = titles[i][0] == '>';
      table->titles[i] = g_strdup (titles[i] + table->right[i]);
    }
  return table;
}

void
fcctl_table_free (FcctlTable *table)
{
  if (table == NULL)
    return;
  g_strfreev (table->titles);
  g_free (table->right);
  g_ptr_array_unref (table->rows);
  g_free (table);
}

void
fcctl_table_add (FcctlTable *table, gchar *first, ...)
{
  gchar **row = g_new0 (gchar *, table->n + 1);
  va_list args;

  row[0] = first;
  va_start (args, first);
  for (guint i = 1; i < table->n; i++)
    row[i] = va_arg (args, gchar *);
  va_end (args);
  g_ptr_array_add (table->rows, row);
}

/* Make COLUMNS fit in WIDTH: the last one gives first, then the first one. */
static void
fit (guint *columns, guint n, guint width)
{
  guint total = GAP * (n - 1), over, give;

  for (guint i = 0; i < n; i++)
    total += columns[i];
  over = total > width ? total - width : 0;
  give = MIN (over, columns[n - 1] - MIN (columns[n - 1], 1));
  columns[n - 1] -= give;
  over -= give;
  columns[0] -= MIN (over, columns[0] - MIN (columns[0], FIRST_LEAST));
}

static void
print_row (const FcctlTable *table, FILE *file, gchar **row,
           const guint *columns, guint width)
{
  g_autoptr (GString) line = g_string_new (NULL);

  for (guint i = 0; i < table->n; i++)
    {
      g_autofree gchar *cell = fcctl_cut (row[i], columns[i]);
      gint space = (gint) columns[i] - (gint) fcctl_columns (cell);
      gint before = table->right[i] ? space : 0;

      g_string_append_printf (line, "%*s%s", before + (i > 0 ? GAP : 0), "",
                              cell);
      if (i + 1 < table->n)
        g_string_append_printf (line, "%*s", space - before, "");
    }
  if (width > 0)
    {
      g_autofree gchar *cut = fcctl_cut (line->str, width);

      g_string_assign (line, cut);
    }
  fprintf (file, "%s\n", line->str);
}

void
fcctl_table_print (FcctlTable *table, FILE *file, guint width)
{
  g_autofree guint *columns = g_new0 (guint, table->n);
  g_auto (GStrv) titles = g_new0 (gchar *, table->n + 1);

  for (guint i = 0; i < table->n; i++)
    {
      titles[i]
          = g_strconcat (fcctl_bold (), table->titles[i], fcctl_plain (), NULL);
      columns[i] = fcctl_columns (table->titles[i]);
      for (guint k = 0; k < table->rows->len; k++)
        {
          gchar **row = g_ptr_array_index (table->rows, k);

          columns[i] = MAX (columns[i], fcctl_columns (row[i]));
        }
    }
  if (width > 0)
    fit (columns, table->n, width);
  print_row (table, file, titles, columns, width);
  for (guint k = 0; k < table->rows->len; k++)
    print_row (table, file, g_ptr_array_index (table->rows, k), columns, width);
}

/* Lines ------------------------------------------------------------------ */

/* Whether a line may end at the space P of TEXT: not between a number and its
 * unit. */
static gboolean
may_break (const gchar *text, const gchar *p)
{
  return *p == ' '
         && !(p > text && g_ascii_isdigit (p[-1]) && g_ascii_isalpha (p[1]));
}

/* Where TEXT has to be broken to fit in ROOM columns: at a space if it has one
 * that will do. */
static const gchar *
break_of (const gchar *text, guint room)
{
  const gchar *p = text, *space = NULL;
  guint used = char_width (g_utf8_get_char (p));

  for (; used <= room;
       p = g_utf8_next_char (p), used += char_width (g_utf8_get_char (p)))
    if (may_break (text, p))
      space = p;
  return space != NULL ? space : p;
}

void
fcctl_line (const gchar *label, const gchar *text)
{
  guint width = fcctl_width (), room;

  printf ("%s%-*s%s", fcctl_dim (), LABEL, label, fcctl_plain ());
  room = width > 0 ? MAX (width, LABEL + TEXT_LEAST) - LABEL : G_MAXUINT;
  while (fcctl_columns (text) > room)
    {
      const gchar *end = break_of (text, room);

      printf ("%.*s\n%*s", (int) (end - text), text, LABEL, "");
      text = end + (*end == ' ');
    }
  printf ("%s\n", text);
}
