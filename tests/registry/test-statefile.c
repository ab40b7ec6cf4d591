/* The state file: what is put in comes out, and nothing else is believed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fcr-test.h"
#include "statefile.h"

static FcrStateFile *
open_ok (void)
{
  GError *error = NULL;
  FcrStateFile *file = fcr_state_file_open (state_path (), &error);

  if (file == NULL)
    test_fail (__FILE__, __LINE__, "%s", error->message);
  return file;
}

static void
save_ok (FcrStateFile *file)
{
  GError *error = NULL;

  if (!fcr_state_file_save (file, &error))
    test_fail (__FILE__, __LINE__, "%s", error->message);
}

static void
write_state (const char *text, size_t size)
{
  CHECK_EQ (g_mkdir_with_parents (in_dir ("state"), 0700), 0);
  CHECK (g_file_set_contents (state_path (), text, (gssize) size, NULL));
}

static FcrEntry *
entry_new (const char *name, const void *format, uint32_t size)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;

  options.frame_size = 4096;
  options.format = format;
  options.format_size = size;
  return fcr_entry_new (name, &options, geteuid ());
}

/* Reading and writing ------------------------------------------------------ */

static void
an_entry_comes_back_whole (void)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT, got;
  FcrStateFile *file = open_ok ();
  FcrEntry *entry;

  options.frame_size = UINT64_C (1) << 40;
  options.ring_depth = UINT32_MAX;
  options.max_consumers = 3;
  options.leases = 5;
  options.writer_cells = 7;
  options.observers = 1;
  options.access = FC_SHARE_ALL;
  options.trust = FC_SHARE_GROUP;
  fcr_state_file_set (file, fcr_entry_new ("a.B-c_1", &options, 4242));
  fcr_state_file_lookup (file, "a.B-c_1")->removing = TRUE;
  save_ok (file);
  fcr_state_file_close (file);

  file = open_ok ();
  entry = fcr_state_file_lookup (file, "a.B-c_1");
  CHECK (entry != NULL);
  CHECK (entry->removing);
  fcr_entry_options (entry, test_dir, &got);
  CHECK_EQ (got.frame_size, options.frame_size);
  CHECK_EQ (got.ring_depth, options.ring_depth);
  CHECK_EQ (got.max_consumers, 3);
  CHECK_EQ (got.leases, 5);
  CHECK_EQ (got.writer_cells, 7);
  CHECK_EQ (got.observers, 1);
  CHECK_EQ (got.access, FC_SHARE_ALL);
  CHECK_EQ (got.trust, FC_SHARE_GROUP);
  CHECK_EQ (got.owner_set, 1);
  CHECK_EQ (got.owner, 4242);
  CHECK (got.format == NULL && got.format_size == 0);
  fcr_state_file_close (file);
}

static void
formats_of_any_bytes_come_back (void)
{
  static char all[255], binary[256], big[FC_FORMAT_MAX];
  const struct
  {
    const char *name;
    const char *format;
    uint32_t size;
  } formats[] = {
    { "caps", "video/x-raw, format=(string)NV12", 32 },
    { "quotes", "a=\"b\\\"c\", </d>", 15 },
    { "utf8", "caf\xc3\xa9 \xe2\x80\xa8", 9 },
    { "nul", "a\0b", 3 },
    { "latin1", "caf\xe9", 4 },
    { "control", all, 127 },
    { "binary", binary, sizeof binary },
    { "big", big, sizeof big },
  };
  FcrStateFile *file = open_ok ();

  for (int i = 0; i < 256; i++)
    binary[i] = (char) i;
  memcpy (all, binary + 1, sizeof all);
  memset (big, 'x', sizeof big);
  for (size_t i = 0; i < G_N_ELEMENTS (formats); i++)
    fcr_state_file_set (
        file, entry_new (formats[i].name, formats[i].format, formats[i].size));
  save_ok (file);
  fcr_state_file_close (file);
  file = open_ok ();
  for (size_t i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      FcrEntry *entry = fcr_state_file_lookup (file, formats[i].name);
      gsize size = 0;

      CHECK (entry != NULL && entry->format != NULL);
      CHECK (memcmp (g_bytes_get_data (entry->format, &size), formats[i].format,
                     formats[i].size)
             == 0);
      CHECK_EQ (size, formats[i].size);
    }
  fcr_state_file_close (file);
}

static void
it_is_for_its_owner_alone (void)
{
  FcrStateFile *file;
  struct stat st;

  umask (0);
  file = open_ok ();
  CHECK (!exists (state_path ()));
  save_ok (file);
  CHECK_EQ (stat (state_path (), &st), 0);
  CHECK_EQ (st.st_mode & 07777, 0600);
  CHECK_EQ (stat (in_dir ("state"), &st), 0);
  CHECK_EQ (st.st_mode & 07777, 0700);
  fcr_state_file_close (file);
}

static void
it_can_be_read_by_people (void)
{
  FcrStateFile *file = open_ok ();
  g_autofree char *text = NULL;

  fcr_state_file_set (file, entry_new ("cam1", "b", 1));
  fcr_state_file_set (file, entry_new ("cam0", NULL, 0));
  save_ok (file);
  CHECK (g_file_get_contents (state_path (), &text, NULL, NULL));
  CHECK_STR (text, "{\n"
                   "  \"version\" : 1,\n"
                   "  \"slots\" : [\n"
                   "    {\n"
                   "      \"name\" : \"cam0\",\n"
                   "      \"frame-size\" : 4096,\n"
                   "      \"access\" : \"user\",\n"
                   "      \"trust\" : \"user\"\n"
                   "    },\n"
                   "    {\n"
                   "      \"name\" : \"cam1\",\n"
                   "      \"frame-size\" : 4096,\n"
                   "      \"access\" : \"user\",\n"
                   "      \"trust\" : \"user\",\n"
                   "      \"format\" : \"b\"\n"
                   "    }\n"
                   "  ]\n"
                   "}\n");
  fcr_state_file_close (file);
}

static void
without_a_path_it_is_memory (void)
{
  FcrStateFile *file = fcr_state_file_open (NULL, NULL);

  CHECK (file != NULL);
  fcr_state_file_set (file, entry_new ("cam0", NULL, 0));
  save_ok (file);
  CHECK (fcr_state_file_lookup (file, "cam0") != NULL);
  fcr_state_file_close (file);
  CHECK_EQ (count_files (test_dir), 0);
}

/* Refused ------------------------------------------------------------------ */

static void
check_refused (const char *part)
{
  g_autoptr (GError) error = NULL;

  CHECK (fcr_state_file_open (state_path (), &error) == NULL);
  CHECK_ERROR (error, FCR_ERROR_FAILED, part);
  CHECK (strstr (error->message, state_path ()) != NULL);
}

static void
a_newer_version_is_left_alone (void)
{
  const char *text = "{\"version\": 2, \"slots\": {\"other\": 1}}";
  g_autofree char *after = NULL;

  write_state (text, strlen (text));
  check_refused ("version 2");
  CHECK (g_file_get_contents (state_path (), &after, NULL, NULL));
  CHECK_STR (after, text);
}

static void
what_is_no_readable_file_is_refused (void)
{
  CHECK_EQ (g_mkdir_with_parents (state_path (), 0700), 0);
  check_refused ("no regular file");
  CHECK_EQ (rmdir (state_path ()), 0);
  CHECK_EQ (mkfifo (state_path (), 0600), 0);
  check_refused ("no regular file");
  CHECK_EQ (unlink (state_path ()), 0);
  write_state ("", 0);
  CHECK_EQ (truncate (state_path (), (16 << 20) + 1), 0);
  check_refused ("limit");
}

static void
a_folder_that_can_not_be_made_is_refused (void)
{
  CHECK (g_file_set_contents (in_dir ("state"), "x", 1, NULL));
  check_refused ("can not make the folder");
}

static void
an_unreadable_file_is_refused (void)
{
  write_state ("{}", 2);
  CHECK_EQ (chmod (state_path (), 0), 0);
  if (am_root ())
    {
      CHECK_EQ (chmod (test_dir, 0755), 0);
      CHECK_EQ (chmod (in_dir ("state"), 0777), 0);
      become_nobody ();
    }
  check_refused ("can not read");
}

static void
hold_open (void *ready)
{
  FcrStateFile *file = open_ok ();

  event_post (*(int *) ready);
  pause ();
  fcr_state_file_close (file);
}

static void
one_registry_at_a_time (void)
{
  int ready = event_new ();
  pid_t pid = spawn (hold_open, &ready);

  event_wait (ready);
  check_refused ("used by another registry");
  kill9 (pid);
  fcr_state_file_close (open_ok ());
}

/* Damaged ------------------------------------------------------------------ */

static void
check_damaged (const char *text, size_t size, unsigned taken)
{
  FcrStateFile *file;
  g_autofree char *aside = NULL;
  gsize aside_size;
  GPtrArray *entries;

  log_catch ();
  write_state (text, size);
  file = open_ok ();
  entries = fcr_state_file_entries (file);
  if (entries->len != taken || log_count ("was damaged") != 1)
    test_fail (__FILE__, __LINE__, "%u entries, %u warnings: %.200s",
               entries->len, log_count ("was damaged"), text);
  CHECK (g_file_get_contents (in_dir ("state/registry.json.damaged-1"), &aside,
                              &aside_size, NULL));
  CHECK (aside_size == size && memcmp (aside, text, size) == 0);
  CHECK_EQ (unlink (in_dir ("state/registry.json.damaged-1")), 0);
  g_ptr_array_unref (entries);
  fcr_state_file_close (file);
  /* What was put in its place is good. */
  log_catch ();
  fcr_state_file_close (open_ok ());
  CHECK_EQ (log_count (""), 0);
}

static void
a_damaged_file_is_moved_aside (void)
{
  static const char *const damaged[] = {
    "",
    "{",
    "[]",
    "null",
    "\"x\"",
    "{}",
    "{\"version\": 1}",
    "{\"version\": 0, \"slots\": []}",
    "{\"version\": -1, \"slots\": []}",
    "{\"version\": \"1\", \"slots\": []}",
    "{\"version\": 1.5, \"slots\": []}",
    "{\"version\": [], \"slots\": []}",
    "{\"version\": 1, \"slots\": {}}",
    "{\"version\": 1, \"slots\": null}",
    "{\"version\": 1, \"slots\": [}",
    "{\"version\": 1, \"slots\": []",
    "{\"version\": 1, \"slots\": [\"\xff\"]}",
  };

  for (size_t i = 0; i < G_N_ELEMENTS (damaged); i++)
    check_damaged (damaged[i], strlen (damaged[i]), 0);
  check_damaged ("{\"version\": 1,\0 \"slots\": []}", 29, 0);
}

static void
a_file_nested_without_end_is_damaged (void)
{
  size_t size = 1 << 20;
  g_autofree char *text = g_strnfill (size, '[');

  check_damaged (text, size, 0);
  memcpy (text, "\"\\\"[[", 5);
  check_damaged (text, size, 0);
}

static void
of_a_damaged_file_the_good_slots_are_taken (void)
{
  static const char *const bad[] = {
    "1",
    "[]",
    "{}",
    "null",
    "{\"frame-size\": 1}",
    "{\"name\": 1, \"frame-size\": 1}",
    "{\"name\": null, \"frame-size\": 1}",
    "{\"name\": \"\", \"frame-size\": 1}",
    "{\"name\": \"../x\", \"frame-size\": 1}",
    "{\"name\": \"a/b\", \"frame-size\": 1}",
    "{\"name\": \"good\", \"frame-size\": 1}",
    "{\"name\": \"b\"}",
    "{\"name\": \"b\", \"frame-size\": 0}",
    "{\"name\": \"b\", \"frame-size\": -1}",
    "{\"name\": \"b\", \"frame-size\": \"1\"}",
    "{\"name\": \"b\", \"frame-size\": 1.5}",
    "{\"name\": \"b\", \"frame-size\": {}}",
    "{\"name\": \"b\", \"frame-size\": 1, \"ring-depth\": 4294967296}",
    "{\"name\": \"b\", \"frame-size\": 1, \"leases\": -1}",
    "{\"name\": \"b\", \"frame-size\": 1, \"observers\": 2}",
    "{\"name\": \"b\", \"frame-size\": 1, \"owner\": 4294967295}",
    "{\"name\": \"b\", \"frame-size\": 1, \"owner\": null}",
    "{\"name\": \"b\", \"frame-size\": 1, \"access\": \"everybody\"}",
    "{\"name\": \"b\", \"frame-size\": 1, \"access\": 1}",
    "{\"name\": \"b\", \"frame-size\": 1, \"trust\": \"all\"}",
    "{\"name\": \"b\", \"frame-size\": 1, \"format\": 1}",
    "{\"name\": \"b\", \"frame-size\": 1, \"format-base64\": \"?\"}",
    "{\"name\": \"b\", \"frame-size\": 1, \"removing\": 1}",
  };

  for (size_t i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *text = g_strdup_printf (
          "{\"version\": 1, \"slots\": [{\"name\": \"good\", \"frame-size\": "
          "4096}, %s, {\"name\": \"too\", \"frame-size\": 4096}]}",
          bad[i]);

      check_damaged (text, strlen (text), 2);
    }
}

static void
members_that_are_not_known_do_no_harm (void)
{
  const char *text = "{\"version\": 1, \"made-by\": {\"a\": [1]}, \"slots\": "
                     "[{\"name\": \"a\", \"frame-size\": 1, \"colour\": 3}]}";
  FcrStateFile *file;

  log_catch ();
  write_state (text, strlen (text));
  file = open_ok ();
  CHECK (fcr_state_file_lookup (file, "a") != NULL);
  CHECK_EQ (log_count (""), 0);
  fcr_state_file_close (file);
}

static void
each_damaged_file_is_kept (void)
{
  log_catch ();
  for (int i = 1; i <= 3; i++)
    {
      write_state ("{", 1);
      fcr_state_file_close (open_ok ());
      CHECK (exists (in_dir ("state/registry.json.damaged-%d", i)));
    }
}

/* TEXT with a few bytes changed, taken out or put in; SIZE becomes its size.
 */
static void
spoil (char *text, size_t *size, uint64_t *state)
{
  static const char bytes[] = "{}[]\",:0123456789-+.eEtfn\\u\xff";

  for (uint64_t n = 1 + chance (state) % 4; n > 0; n--)
    {
      size_t at = chance (state) % *size;
      char byte = bytes[chance (state) % (sizeof bytes - 1)];

      switch (chance (state) % 3)
        {
        case 0:
          text[at] = byte;
          break;
        case 1:
          memmove (text + at, text + at + 1, *size - at - 1);
          *size -= 1;
          break;
        case 2:
          memmove (text + at + 1, text + at, *size - at);
          text[at] = byte;
          *size += 1;
        }
    }
}

/* However it is spoilt: it is refused, or what is taken is in its range and is
 * read again as it was. */
static void
a_spoilt_file_does_no_harm (void)
{
  static const char whole[]
      = "{\"version\": 1, \"slots\": [{\"name\": \"cam0\", \"frame-size\": "
        "4096, \"ring-depth\": 5, \"max-consumers\": 3, \"leases\": 2, "
        "\"writer-cells\": 2, \"observers\": 1, \"access\": \"all\", "
        "\"trust\": \"group\", \"owner\": 1000, \"format\": "
        "\"a\\u0001\\\"b\", \"removing\": true}, {\"name\": \"x.y\", "
        "\"frame-size\": 1e3, \"format-base64\": \"AAEC/w==\"}]}";
  uint64_t state = 1;

  for (int i = 0; i < 2000; i++)
    {
      char text[sizeof whole + 8];
      size_t size = sizeof whole - 1;
      FcrStateFile *file;
      GPtrArray *entries;

      memcpy (text, whole, sizeof whole);
      spoil (text, &size, &state);
      write_state (text, size);
      log_catch ();
      file = fcr_state_file_open (state_path (), NULL);
      (void) unlink (in_dir ("state/registry.json.damaged-1"));
      if (file == NULL)
        continue; /* as a newer version */
      entries = fcr_state_file_entries (file);
      for (guint k = 0; k < entries->len; k++)
        {
          fc_writer_options_t options;

          fcr_entry_options (entries->pdata[k], test_dir, &options);
          CHECK (options.frame_size > 0);
          CHECK (options.format_size <= FC_FORMAT_MAX);
          CHECK (options.trust <= options.access);
        }
      g_ptr_array_unref (entries);
      save_ok (file);
      fcr_state_file_close (file);
      log_catch ();
      fcr_state_file_close (open_ok ());
      CHECK_EQ (log_count (""), 0);
    }
}

/* A save that fails -------------------------------------------------------- */

static void
check_save_fails (FcrStateFile *file, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  CHECK (g_file_get_contents (state_path (), &before, NULL, NULL));
  CHECK (!fcr_state_file_save (file, &error));
  CHECK_ERROR (error, FCR_ERROR_FAILED, part);
  CHECK (g_file_get_contents (state_path (), &after, NULL, NULL));
  CHECK_STR (after, before);
}

static void
a_save_that_fails_leaves_the_file (void)
{
  FcrStateFile *file = open_ok ();

  save_ok (file);
  fcr_state_file_set (file, entry_new ("cam0", NULL, 0));
  CHECK_EQ (mkdir (in_dir ("state/registry.json.new"), 0700), 0);
  check_save_fails (file, "can not write");
  CHECK_EQ (rmdir (in_dir ("state/registry.json.new")), 0);
  save_ok (file);
  fcr_state_file_close (file);
}

static void
a_full_disk_leaves_the_file (void)
{
  static char format[FC_FORMAT_MAX];
  FcrStateFile *file;

  CHECK_EQ (mkdir (in_dir ("state"), 0700), 0);
  mount_tmpfs (in_dir ("state"), 256 << 10, 0);
  file = open_ok ();
  save_ok (file);
  memset (format, 'x', sizeof format);
  fcr_state_file_set (file, entry_new ("cam0", format, sizeof format));
  check_save_fails (file, "No space left");
  CHECK (!exists (in_dir ("state/registry.json.new")));
  fcr_state_file_close (file);
}

static void
it_grows_no_larger_than_can_be_read (void)
{
  static char format[FC_FORMAT_MAX];
  FcrStateFile *file = open_ok ();

  memset (format, 'x', sizeof format);
  save_ok (file);
  for (int i = 0; i < 17; i++)
    {
      g_autofree char *name = g_strdup_printf ("cam%d", i);

      fcr_state_file_set (file, entry_new (name, format, sizeof format));
    }
  check_save_fails (file, "limit");
  fcr_entry_free (fcr_state_file_take (file, "cam3"));
  fcr_entry_free (fcr_state_file_take (file, "cam4"));
  save_ok (file);
  fcr_state_file_close (file);
  fcr_state_file_close (open_ok ());
}

static const test_t tests[] = {
  TEST (an_entry_comes_back_whole),
  TEST (formats_of_any_bytes_come_back),
  TEST (it_is_for_its_owner_alone),
  TEST (it_can_be_read_by_people),
  TEST (without_a_path_it_is_memory),
  TEST (a_newer_version_is_left_alone),
  TEST (what_is_no_readable_file_is_refused),
  TEST (a_folder_that_can_not_be_made_is_refused),
  TEST (an_unreadable_file_is_refused),
  TEST (one_registry_at_a_time),
  TEST (a_damaged_file_is_moved_aside),
  TEST (a_file_nested_without_end_is_damaged),
  TEST (of_a_damaged_file_the_good_slots_are_taken),
  TEST (members_that_are_not_known_do_no_harm),
  TEST (each_damaged_file_is_kept),
  TEST (a_spoilt_file_does_no_harm),
  TEST (a_save_that_fails_leaves_the_file),
  TEST (a_full_disk_leaves_the_file),
  TEST (it_grows_no_larger_than_can_be_read),
};

TEST_MAIN (tests)
