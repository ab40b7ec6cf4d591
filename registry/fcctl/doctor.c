/* framecache: fcctl doctor
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "doctor.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  const gchar *id;
  FcctlDoctorCheck check;
  const gchar *asks; /* what is as it should be where nothing is found */
} Check;

static const Check checks[] = {
  { "dir-missing", fcctl_doctor_dir_missing, "the slot directory is there" },
  { "dir-owner", fcctl_doctor_dir_owner, "its owner is root or this user" },
  { "dir-mode", fcctl_doctor_dir_mode, "nobody else can replace its files" },
  { "dir-write", fcctl_doctor_dir_write, "this user may make slots" },
  { "not-tmpfs", fcctl_doctor_not_tmpfs, "slots are in memory" },
  { "shm-small", fcctl_doctor_shm_small, "shared memory has a useful size" },
  { "shm-full", fcctl_doctor_shm_full, "some of it is free" },
  { "memory-limit", fcctl_doctor_memory_limit,
    "the slots fit in the control group's memory" },
  { "version-mismatch", fcctl_doctor_version_mismatch,
    "all are of this version's layout" },
  { "ring-damaged", fcctl_doctor_ring_damaged, "all are whole" },
  { "ring-unreadable", fcctl_doctor_ring_unreadable, "this user may read all" },
  { "owner-untrusted", fcctl_doctor_owner_untrusted,
    "all are root's or this user's" },
  { "access-blocked", fcctl_doctor_access_blocked,
    "whom slots are shared with gets to them" },
  { "slot-twice", fcctl_doctor_slot_twice, "each name is there once" },
  { "writer-dead", fcctl_doctor_writer_dead, "no writer died" },
  { "table-full", fcctl_doctor_table_full, "there is room for consumers" },
  { "memory-short", fcctl_doctor_memory_short, "no slot ran out of memory" },
  { "consumer-dead", fcctl_doctor_consumer_dead, "no dead consumer is left" },
  { "leftovers", fcctl_doctor_leftovers, "nothing half-made is left" },
  { "remove-ipc", fcctl_doctor_remove_ipc,
    "slots survive their user's logout" },
  { "registry", fcctl_doctor_registry, "a registry runs" },
  { "state-file", fcctl_doctor_state_file, "its state file can be read" },
  { "gstreamer", fcctl_doctor_gstreamer, "GStreamer finds fcsrc and fcsink" },
};

#define ID_COLUMNS 18 /* the longest id, and a space */

typedef enum
{
  FINE,
  SKIPPED,
  NOTE,
  FAULT
} Level;

typedef struct
{
  guint check;
  Level level;
  gchar *subject;
  gchar *detail;
  gchar *remedy;
} Result;

/* Finding ------------------------------------------------------------------ */

/* The check that runs is the number of the newest entry, which is FINE until
 * something is found. Takes the strings. */
static void
add (FcctlDoctor *doctor, Level level, gchar *subject, gchar *detail,
     gchar *remedy)
{
  Result *last
      = &g_array_index (doctor->results, Result, doctor->results->len - 1);
  Result result = { last->check, level, subject, detail, remedy };

  if (last->level == FINE)
    *last = result;
  else
    g_array_append_val (doctor->results, result);
}

static gchar *
escaped (const gchar *text)
{
  return text != NULL ? fcctl_escape (text, strlen (text)) : NULL;
}

static void G_GNUC_PRINTF (5, 0)
    find (FcctlDoctor *doctor, Level level, const gchar *subject,
          const gchar *remedy, const gchar *format, va_list args)
{
  g_autofree gchar *detail = g_strdup_vprintf (format, args);

  add (doctor, level, escaped (subject), escaped (detail), escaped (remedy));
}

void
fcctl_doctor_fault (FcctlDoctor *doctor, const gchar *subject,
                    const gchar *remedy, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  find (doctor, FAULT, subject, remedy, format, args);
  va_end (args);
}

void
fcctl_doctor_note (FcctlDoctor *doctor, const gchar *subject,
                   const gchar *remedy, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  find (doctor, NOTE, subject, remedy, format, args);
  va_end (args);
}

void
fcctl_doctor_skip (FcctlDoctor *doctor, const gchar *why)
{
  add (doctor, SKIPPED, NULL, g_strdup (why), NULL);
}

gchar *
fcctl_doctor_user (guint uid)
{
  const struct passwd *user = getpwuid (uid);

  if (user == NULL)
    return g_strdup_printf ("user %u", uid);
  return g_strdup_printf ("%s (user %u)", user->pw_name, uid);
}

/* Looking ------------------------------------------------------------------ */

static void
dir_free (gpointer data)
{
  FcctlDoctorDir *dir = data;

  g_free (dir->path);
  g_free (dir);
}

static void
slot_free (gpointer data)
{
  FcctlDoctorSlot *slot = data;

  g_free (slot->name);
  g_free (slot->detail);
  g_free (slot);
}

static int
add_dir (const char *path, void *user_data)
{
  FcctlDoctor *doctor = user_data;
  FcctlDoctorDir *dir = g_new0 (FcctlDoctorDir, 1);

  dir->path = g_strdup (path);
  dir->exists = stat (path, &dir->st) == 0;
  dir->safe = dir->exists
              && ((dir->st.st_mode & (S_IWGRP | S_IWOTH)) == 0
                  || (dir->st.st_mode & S_ISVTX) != 0);
  g_ptr_array_add (doctor->dirs, dir);
  return 0;
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
  const FcctlDoctorSlot *x = *(const FcctlDoctorSlot *const *) a;
  const FcctlDoctorSlot *y = *(const FcctlDoctorSlot *const *) b;
  gint r = strcmp (x->name, y->name);

  return r != 0 ? r : strcmp (x->dir->path, y->dir->path);
}

/* What fc_slot_list () passes over is what a doctor is for. */
static void
add_slots (FcctlDoctor *doctor, const FcctlDoctorDir *dir)
{
  g_autoptr (GDir) stream = g_dir_open (dir->path, 0, NULL);
  const gchar *file;

  while (stream != NULL && (file = g_dir_read_name (stream)) != NULL)
    {
      FcctlDoctorSlot *slot;

      if (!g_str_has_suffix (file, ".ring"))
        continue;
      slot = g_new0 (FcctlDoctorSlot, 1);
      slot->name = g_strndup (file, strlen (file) - strlen (".ring"));
      slot->dir = dir;
      slot->stat.struct_size = sizeof slot->stat;
      slot->result = fc_slot_stat (dir->path, slot->name, &slot->stat);
      slot->detail = g_strdup (slot->result < 0 ? fc_error_detail () : NULL);
      /* No slot's name, or gone by now. */
      if (slot->result == -EINVAL || slot->result == -ENOENT)
        slot_free (slot);
      else
        g_ptr_array_add (doctor->slots, slot);
    }
}

static void
find_home (FcctlDoctor *doctor)
{
  const FcctlDoctorDir *first = g_ptr_array_index (doctor->dirs, 0);
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_plan_t plan = { .struct_size = sizeof plan };

  options.dir = fcctl_directory;
  options.frame_size = 1;
  doctor->home_result = fc_plan (&options, &plan);
  if (doctor->home_result < 0)
    doctor->home_detail = g_strdup (fc_error_detail ());
  doctor->home = g_strdup (doctor->home_result < 0 ? first->path : plan.dir);
}

static void
look (FcctlDoctor *doctor)
{
  fc_slot_dirs (fcctl_directory, add_dir, doctor);
  find_home (doctor);
  for (guint i = 0; i < doctor->dirs->len; i++)
    {
      FcctlDoctorDir *dir = g_ptr_array_index (doctor->dirs, i);

      dir->named = doctor->dirs->len == 1;
      /* What is in an unsafe one is not looked at by libfc either. */
      if (dir->exists && dir->safe)
        add_slots (doctor, dir);
    }
  g_ptr_array_sort (doctor->slots, by_name);
  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    {
      Result fine = { i, FINE, NULL, NULL, NULL };

      g_array_append_val (doctor->results, fine);
      checks[i].check (doctor);
    }
}

/* Telling ------------------------------------------------------------------ */

static guint
count (const FcctlDoctor *doctor, Level level)
{
  guint n = 0;

  for (guint i = 0; i < doctor->results->len; i++)
    n += g_array_index (doctor->results, Result, i).level == level;
  return n;
}

static const gchar *
level_name (Level level)
{
  return level == FINE      ? "ok"
         : level == SKIPPED ? "skipped"
         : level == NOTE    ? "note"
                            : "fault";
}

static const gchar *
level_color (Level level)
{
  return level == FAULT  ? fcctl_red ()
         : level == NOTE ? fcctl_yellow ()
         : level == FINE ? fcctl_green ()
                         : fcctl_dim ();
}

/* TEXT behind INDENT columns, in lines of WIDTH (0: one line). */
static void
print_wrapped (const gchar *text, guint indent, guint width)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  guint column = 0;

  for (guint i = 0; words[i] != NULL; i++)
    {
      guint length = fcctl_columns (words[i]);

      if (column > 0 && width > 0 && column + 1 + length > width)
        {
          putchar ('\n');
          column = 0;
        }
      if (column == 0)
        column = (guint) printf ("%*s%s", (int) indent, "", words[i]);
      else
        column += (guint) printf (" %s", words[i]);
    }
  putchar ('\n');
}

static void
print_result (const Result *result, gboolean all)
{
  guint width = fcctl_width ();
  g_autofree gchar *text = NULL;
  const gchar *beside;

  if (result->level <= SKIPPED && !all)
    return;
  printf ("%s%-7s%s  %s%s%s", level_color (result->level),
          level_name (result->level), fcctl_plain (), fcctl_bold (),
          checks[result->check].id, fcctl_plain ());
  beside = result->level == FINE ? checks[result->check].asks : result->subject;
  if (beside != NULL)
    printf ("%*s%s", ID_COLUMNS - (int) strlen (checks[result->check].id), "",
            beside);
  putchar ('\n');
  if (result->detail != NULL)
    print_wrapped (result->detail, 9, width);
  if (result->remedy == NULL)
    return;
  text = g_strconcat ("-> ", result->remedy, NULL);
  print_wrapped (text, 9, width);
}

static void
print_text (const FcctlDoctor *doctor, gboolean all)
{
  guint faults = count (doctor, FAULT), notes = count (doctor, NOTE);

  for (guint i = 0; i < doctor->results->len; i++)
    print_result (&g_array_index (doctor->results, Result, i), all);
  printf ("%u fault%s, %u note%s; %u checks, %u slot%s in", faults,
          faults == 1 ? "" : "s", notes, notes == 1 ? "" : "s",
          (guint) G_N_ELEMENTS (checks), doctor->slots->len,
          doctor->slots->len == 1 ? "" : "s");
  for (guint i = 0; i < doctor->dirs->len; i++)
    printf ("%s %s", i > 0 ? " and" : "",
            ((FcctlDoctorDir *) g_ptr_array_index (doctor->dirs, i))->path);
  putchar ('\n');
}

static void
print_json (const FcctlDoctor *doctor)
{
  JsonBuilder *builder = json_builder_begin_object (json_builder_new ());

  fcctl_json_uint (builder, "faults", count (doctor, FAULT));
  fcctl_json_uint (builder, "notes", count (doctor, NOTE));
  json_builder_set_member_name (builder, "results");
  json_builder_begin_array (builder);
  for (guint i = 0; i < doctor->results->len; i++)
    {
      const Result *result = &g_array_index (doctor->results, Result, i);

      json_builder_begin_object (builder);
      fcctl_json_string (builder, "check", checks[result->check].id);
      fcctl_json_string (builder, "level", level_name (result->level));
      fcctl_json_string (builder, "subject", result->subject);
      fcctl_json_string (builder, "detail", result->detail);
      fcctl_json_string (builder, "remedy", result->remedy);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  fcctl_print_json (json_builder_end_object (builder));
}

static void
result_clear (gpointer data)
{
  Result *result = data;

  g_free (result->subject);
  g_free (result->detail);
  g_free (result->remedy);
}

int
fcctl_doctor (int argc, char **argv)
{
  FcctlDoctor doctor = { 0 };
  gboolean all = FALSE;
  guint faults;
  const GOptionEntry entries[]
      = { { "all", 'a', 0, G_OPTION_ARG_NONE, &all,
            "Print what is as it should be, too", NULL },
          { 0 } };

  if (!fcctl_parse (&argc, &argv, entries, NULL, 0, 0,
                    "Look for what stands in the way of slots, their writers "
                    "and consumers,\nand say what to do about it.",
                    NULL))
    return FCCTL_USAGE;
  doctor.dirs = g_ptr_array_new_with_free_func (dir_free);
  doctor.slots = g_ptr_array_new_with_free_func (slot_free);
  doctor.results = g_array_new (FALSE, FALSE, sizeof (Result));
  g_array_set_clear_func (doctor.results, result_clear);
  look (&doctor);
  faults = count (&doctor, FAULT);
  if (fcctl_json)
    print_json (&doctor);
  else
    print_text (&doctor, all);
  g_array_unref (doctor.results);
  g_ptr_array_unref (doctor.slots);
  g_ptr_array_unref (doctor.dirs);
  g_free (doctor.home);
  g_free (doctor.home_detail);
  return faults > 0 ? FCCTL_PROBLEMS : FCCTL_OK;
}
