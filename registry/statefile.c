/* framecache: the file that keeps reserved slots
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entry-json.h"
#include "store.h"

#define VERSION 1
#define SIZE_MAX_BYTES (16u << 20)
/* {, [, {: and the parser recurses, so that many more would end it. */
#define NESTING_MAX 8
#define ASIDE_MAX 99
/* A registry that was killed or replaced a moment ago may still be ending. */
#define LOCK_TRIES 200
#define LOCK_PAUSE_US 10000

struct _FcrStateFile
{
  gchar *path; /* NULL: in memory only */
  gchar *parent;
  GHashTable *entries; /* name: FcrEntry */
  int lock;
};

static gboolean fail (GError **error, const gchar *format, ...)
    G_GNUC_PRINTF (2, 3);

static gboolean
fail (GError **error, const gchar *format, ...)
{
  g_autofree gchar *message = NULL;
  g_autofree gchar *valid = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  valid = g_utf8_make_valid (message, -1);
  g_set_error_literal (error, FCR_ERROR, FCR_ERROR_FAILED, valid);
  return FALSE;
}

/* Reading ------------------------------------------------------------------ */

static gboolean
is_shallow (const gchar *text, gsize size)
{
  gboolean quoted = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < size; i++)
    if (quoted && text[i] == '\\')
      i++;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && (text[i] == '[' || text[i] == '{'))
      {
        if (++depth > NESTING_MAX)
          return FALSE;
      }
    else if (!quoted && (text[i] == ']' || text[i] == '}'))
      depth -= depth > 0;
  return TRUE;
}

static gboolean
read_all (int fd, gchar *text, gsize size, gsize *got)
{
  ssize_t n = 1;

  *got = 0;
  while (*got < size && n > 0)
    {
      n = read (fd, text + *got, size - *got);
      *got += n > 0 ? (gsize) n : 0;
    }
  return n >= 0;
}

static gchar *
read_open (int fd, const gchar *path, gsize *size, GError **error)
{
  g_autofree gchar *text = NULL;
  struct stat st;

  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    fail (error,
          "the state file %s is no regular file; name another with "
          "--state-file",
          path);
  else if (st.st_size > SIZE_MAX_BYTES)
    fail (error,
          "the state file %s has %" G_GINT64_FORMAT " bytes; the limit is %u: "
          "move it away, or name another with --state-file",
          path, (gint64) st.st_size, SIZE_MAX_BYTES);
  else
    {
      text = g_malloc0 ((gsize) st.st_size + 1);
      if (read_all (fd, text, (gsize) st.st_size, size))
        return g_steal_pointer (&text);
      fail (error, "can not read the state file %s: %s", path,
            g_strerror (errno));
    }
  return NULL;
}

/* The file's bytes; NULL without ERROR where there is none. */
static gchar *
read_file (const gchar *path, gsize *size, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  gchar *text;

  if (fd < 0)
    {
      if (errno != ENOENT)
        fail (error,
              "can not read the state file %s: %s; make it readable, or name "
              "another with --state-file",
              path, g_strerror (errno));
      return NULL;
    }
  text = read_open (fd, path, size, error);
  close (fd);
  return text;
}

/* Whether all of NODE's slots are good; those that are, are taken. */
static gboolean
take_slots (FcrStateFile *file, JsonNode *node, GError **error)
{
  JsonArray *array;
  gboolean good = TRUE;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return fail (error, "it has no array \"slots\"");
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      GError **reason = good ? error : NULL;
      FcrEntry *entry
          = fcr_entry_from_json (json_array_get_element (array, i), reason);

      if (entry != NULL && g_hash_table_contains (file->entries, entry->name))
        {
          good = good && fail (reason, "slot %s is in it twice", entry->name);
          fcr_entry_free (entry);
        }
      else if (entry != NULL)
        fcr_state_file_set (file, entry);
      else
        good = FALSE;
    }
  return good;
}

/* FALSE where TEXT is damaged, for REASON; *NEWER: not damaged, but of a
 * version that is not known here. */
static gboolean
take_text (FcrStateFile *file, const gchar *text, gsize size, gint64 *newer,
           GError **reason)
{
  /* Not an immutable one: json-glib 1.10 ends the process where such a one
   * took in less than a document. */
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root, *version;
  JsonObject *object;

  if (!g_utf8_validate_len (text, size, NULL))
    return fail (reason, "it is no UTF-8");
  if (!is_shallow (text, size))
    return fail (reason, "it is nested more than %d deep", NESTING_MAX);
  if (!json_parser_load_from_data (parser, text, (gssize) size, reason))
    return FALSE;
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return fail (reason, "it holds no object");
  object = json_node_get_object (root);
  version = json_object_get_member (object, "version");
  if (version == NULL || json_node_get_value_type (version) != G_TYPE_INT64
      || json_node_get_int (version) < 1)
    return fail (reason, "it has no version");
  if (json_node_get_int (version) > VERSION)
    {
      *newer = json_node_get_int (version);
      return TRUE;
    }
  return take_slots (file, json_object_get_member (object, "slots"), reason);
}

static gboolean
move_aside (const gchar *path, const GError *reason, GError **error)
{
  g_autofree gchar *aside = NULL;
  gint n = 0;

  do
    {
      g_free (aside);
      aside = g_strdup_printf ("%s.damaged-%d", path, ++n);
    }
  while (n < ASIDE_MAX && g_file_test (aside, G_FILE_TEST_EXISTS));
  if (rename (path, aside) < 0)
    return fail (error,
                 "the state file %s is damaged (%s) and can not be moved "
                 "aside: %s; move it away",
                 path, reason->message, g_strerror (errno));
  g_warning ("the state file %s was damaged (%s): it is now %s, and the "
             "reserved slots are those that could be read in it and those "
             "that there are",
             path, reason->message, aside);
  return TRUE;
}

static gboolean
load (FcrStateFile *file, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autoptr (GError) failed = NULL;
  g_autofree gchar *text = NULL;
  gint64 newer = 0;
  gsize size;

  text = read_file (file->path, &size, &failed);
  if (failed != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  if (text == NULL)
    return TRUE;
  if (!take_text (file, text, size, &newer, &reason))
    return move_aside (file->path, reason, error)
           && fcr_state_file_save (file, error);
  if (newer > 0)
    return fail (error,
                 "the state file %s is of version %" G_GINT64_FORMAT ", and "
                 "this registry knows %d: run the newer registry, or name "
                 "another file with --state-file",
                 file->path, newer, VERSION);
  return TRUE;
}

/* Opening ------------------------------------------------------------------ */

/* A lock file of its own: the state file is another one after each save. */
static gboolean
take_lock (FcrStateFile *file, GError **error)
{
  g_autofree gchar *path = g_strconcat (file->path, ".lock", NULL);
  int r = -1;

  file->lock = open (
      path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
  if (file->lock < 0)
    return fail (error,
                 "can not open %s, which goes with the state file: %s; name "
                 "another with --state-file",
                 path, g_strerror (errno));
  for (gint i = 0; i < LOCK_TRIES; i++)
    {
      r = flock (file->lock, LOCK_EX | LOCK_NB);
      if (r == 0 || (errno != EWOULDBLOCK && errno != EINTR))
        break;
      g_usleep (LOCK_PAUSE_US);
    }
  if (r == 0)
    return TRUE;
  return fail (error,
               "the state file %s is used by another registry; stop that, or "
               "name another file with --state-file",
               file->path);
}

FcrStateFile *
fcr_state_file_open (const gchar *path, GError **error)
{
  g_autoptr (FcrStateFile) file = g_new0 (FcrStateFile, 1);

  file->lock = -1;
  file->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                         (GDestroyNotify) fcr_entry_free);
  if (path == NULL)
    return g_steal_pointer (&file);
  file->path = g_strdup (path);
  file->parent = g_path_get_dirname (path);
  if (g_mkdir_with_parents (file->parent, 0700) < 0)
    {
      fail (error,
            "can not make the folder of the state file %s: %s; make it, or "
            "name another file with --state-file",
            path, g_strerror (errno));
      return NULL;
    }
  if (!take_lock (file, error) || !load (file, error))
    return NULL;
  return g_steal_pointer (&file);
}

void
fcr_state_file_close (FcrStateFile *file)
{
  if (file == NULL)
    return;
  if (file->lock >= 0)
    close (file->lock);
  g_hash_table_unref (file->entries);
  g_free (file->parent);
  g_free (file->path);
  g_free (file);
}

/* Entries ------------------------------------------------------------------ */

FcrEntry *
fcr_state_file_lookup (FcrStateFile *file, const gchar *name)
{
  return g_hash_table_lookup (file->entries, name);
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
  const FcrEntry *const *x = a, *const *y = b;

  return strcmp ((*x)->name, (*y)->name);
}

GPtrArray *
fcr_state_file_entries (FcrStateFile *file)
{
  GPtrArray *entries = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer entry;

  g_hash_table_iter_init (&iter, file->entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    g_ptr_array_add (entries, entry);
  g_ptr_array_sort (entries, by_name);
  return entries;
}

void
fcr_state_file_set (FcrStateFile *file, FcrEntry *entry)
{
  g_hash_table_replace (file->entries, entry->name, entry);
}

FcrEntry *
fcr_state_file_take (FcrStateFile *file, const gchar *name)
{
  gpointer entry = NULL;

  g_hash_table_steal_extended (file->entries, name, NULL, &entry);
  return entry;
}

/* Writing ------------------------------------------------------------------ */

static gchar *
to_text (FcrStateFile *file)
{
  g_autofree gchar *text = NULL;
  g_autoptr (GPtrArray) entries = fcr_state_file_entries (file);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "version");
  json_builder_add_int_value (builder, VERSION);
  json_builder_set_member_name (builder, "slots");
  json_builder_begin_array (builder);
  for (guint i = 0; i < entries->len; i++)
    fcr_entry_to_json (entries->pdata[i], builder);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, TRUE);
  text = json_generator_to_data (generator, NULL);
  return g_strconcat (text, "\n", NULL);
}

static gboolean
write_all (int fd, const gchar *text, gsize size)
{
  while (size > 0)
    {
      ssize_t n = write (fd, text, size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      text += n;
      size -= (gsize) n;
    }
  return TRUE;
}

/* -1 with errno, or 0. */
static int
write_temporary (const gchar *temporary, const gchar *text, gsize size)
{
  int fd = open (
      temporary,
      O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
  int saved;

  if (fd < 0)
    return -1;
  if (fchmod (fd, 0600) == 0 && write_all (fd, text, size) && fsync (fd) == 0)
    return close (fd);
  saved = errno;
  close (fd);
  errno = saved;
  return -1;
}

/* A rename is on disk when its folder is. */
static int
sync_folder (const gchar *path)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int r, saved;

  if (fd < 0)
    return -1;
  r = fsync (fd);
  saved = errno;
  close (fd);
  errno = saved;
  return r;
}

gboolean
fcr_state_file_save (FcrStateFile *file, GError **error)
{
  g_autofree gchar *temporary = NULL;
  g_autofree gchar *text = NULL;
  gsize size;

  if (file->path == NULL)
    return TRUE;
  text = to_text (file);
  size = strlen (text);
  if (size > SIZE_MAX_BYTES)
    return fail (error,
                 "the state file %s would have %" G_GSIZE_FORMAT " bytes; the "
                 "limit is %u: remove reserved slots, or reserve with shorter "
                 "formats",
                 file->path, size, SIZE_MAX_BYTES);
  temporary = g_strconcat (file->path, ".new", NULL);
  if (write_temporary (temporary, text, size) == 0
      && rename (temporary, file->path) == 0 && sync_folder (file->parent) == 0)
    return TRUE;
  fail (error,
        "can not write the state file %s: %s; free or allow what it needs, or "
        "name another file with --state-file",
        file->path, g_strerror (errno));
  (void) unlink (temporary);
  return FALSE;
}
