/* Which files there are, with which modes, and what is refused.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sys/file.h>

static mode_t
mode_of (const char *path)
{
  struct stat st;

  CHECK_EQ (lstat (path, &st), 0);
  return st.st_mode & 07777;
}

static void
modes_do_not_depend_on_the_umask (void)
{
  static const mode_t masks[] = { 0, 022, 077, 0777 };
  static const struct
  {
    fc_share_t access, trust;
    mode_t ring, table;
  } modes[] = {
    { FC_SHARE_USER, FC_SHARE_USER, 0600, 0600 },
    { FC_SHARE_GROUP, FC_SHARE_USER, 0640, 0600 },
    { FC_SHARE_GROUP, FC_SHARE_GROUP, 0640, 0660 },
    { FC_SHARE_ALL, FC_SHARE_USER, 0644, 0600 },
    { FC_SHARE_ALL, FC_SHARE_GROUP, 0644, 0660 },
    { FC_SHARE_ALL, FC_SHARE_ALL, 0644, 0666 },
  };

  CHECK_EQ (chmod (test_dir, 01777), 0);
  for (unsigned m = 0; m < 4; m++)
    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++)
      {
        fc_writer_options_t options = small_ring ();
        fc_writer_t *writer;

        options.access = modes[i].access;
        options.trust = modes[i].trust;
        umask (masks[m]);
        writer = writer_new ("cam0", &options);
        umask (022);
        CHECK_EQ (mode_of (in_dir ("cam0.ring")), modes[i].ring);
        CHECK_EQ (mode_of (table_path ("cam0")), modes[i].table);
        CHECK_EQ (mode_of (in_dir ("cam0.lock")), 0600);
        CHECK_EQ (count_files (test_dir), 3);
        CHECK_EQ (slot_stat ("cam0").access, modes[i].access);
        CHECK_EQ (slot_stat ("cam0").trust, modes[i].trust);
        fc_writer_close (writer);
        CHECK_EQ (unlink (in_dir ("cam0.lock")), 0);
      }
}

static void
group_is_the_directorys (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  struct stat st;

  if (!am_root ())
    test_skip ("only root may give a directory to another group");
  CHECK_EQ (chown (test_dir, 0, 4321), 0);
  CHECK_EQ (chmod (test_dir, 01770), 0);
  options.access = options.trust = FC_SHARE_GROUP;
  writer = writer_new ("cam0", &options);
  CHECK_EQ (stat (in_dir ("cam0.ring"), &st), 0);
  CHECK_EQ (st.st_gid, 4321);
  CHECK_EQ (stat (table_path ("cam0"), &st), 0);
  CHECK_EQ (st.st_gid, 4321);
  fc_writer_close (writer);
}

static void
trust_is_not_wider_than_access (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = NULL;

  CHECK_EQ (chmod (test_dir, 01777), 0);
  options.trust = FC_SHARE_GROUP;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EINVAL);
  options.trust = FC_SHARE_ALL;
  options.access = FC_SHARE_GROUP;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EINVAL);
  options.access = (fc_share_t) 3;
  options.trust = FC_SHARE_USER;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EINVAL);
  CHECK_EQ (count_files (test_dir), 0);
}

static void
access_wider_than_the_directory_is_refused (void)
{
  static const struct
  {
    mode_t dir;
    fc_share_t access;
    bool fine;
  } cases[] = {
    { 0700, FC_SHARE_USER, true }, { 0700, FC_SHARE_GROUP, false },
    { 0700, FC_SHARE_ALL, false }, { 0750, FC_SHARE_GROUP, true },
    { 0750, FC_SHARE_ALL, false }, { 0755, FC_SHARE_ALL, true },
    { 01777, FC_SHARE_ALL, true }, { 0710, FC_SHARE_GROUP, true },
    { 0711, FC_SHARE_ALL, true },  { 0701, FC_SHARE_GROUP, false },
  };

  for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      fc_writer_options_t options = small_ring ();
      fc_writer_t *writer = NULL;
      int ret;

      CHECK_EQ (chmod (test_dir, cases[i].dir), 0);
      options.access = cases[i].access;
      ret = fc_writer_open (&writer, "cam0", &options);
      if ((ret == 0) != cases[i].fine)
        test_fail (__FILE__, __LINE__, "mode %o, access %d: %d, %s",
                   cases[i].dir, cases[i].access, ret, fc_error_detail ());
      if (ret == 0)
        {
          fc_writer_close (writer);
          continue;
        }
      CHECK_DETAIL (test_dir);
      CHECK (!exists (in_dir ("cam0.ring")));
    }
}

static void
names_are_checked_before_a_path_is_built (void)
{
  static const char *bad[] = {
    "",     ".",       "..",   ".cam",        "-cam", "_cam",      "a/b",
    "../x", "/etc",    "a b",  "caf\xc3\xa9", "a\nb", "a\x01",     "a:b",
    "a*",   "cam\x7f", "a\\b", "%s%s%n",      "\xff", "a/../../b", "name\ttab",
    "@x",   "~"
  };
  static const char *good[] = { "a", "0", "A.b_c-9", "cam0", "Z..", "9-_." };
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  char longest[FC_NAME_MAX + 2];
  fc_writer_t *writer = NULL;
  fc_consumer_t *consumer = NULL;

  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
    {
      CHECK_RET (fc_writer_open (&writer, bad[i], &options), -EINVAL);
      CHECK (fc_error_detail ()[0] != 0);
      CHECK_RET (fc_consumer_open (&consumer, bad[i], &other), -EINVAL);
      CHECK_RET (fc_slot_stat (test_dir, bad[i], &stat), -EINVAL);
      CHECK_RET (fc_slot_reserve (bad[i], &options), -EINVAL);
      CHECK_RET (fc_slot_remove (test_dir, bad[i], 1), -EINVAL);
      CHECK_RET (fc_slot_gc (test_dir, bad[i], 0), -EINVAL);
    }
  CHECK_EQ (count_files (test_dir), 0);
  for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++)
    fc_writer_close (writer_new (good[i], &options));
  memset (longest, 'x', sizeof longest);
  longest[FC_NAME_MAX + 1] = 0;
  CHECK_RET (fc_writer_open (&writer, longest, &options), -EINVAL);
  longest[FC_NAME_MAX] = 0;
  fc_writer_close (writer_new (longest, &options));
}

/* Slots whose names are like the endings of another's files. */
/* It is quoted to whoever has a terminal, and may have come in a URI. */
static void
name_that_is_none_is_quoted_as_plain_text (void)
{
  static const char bad[] = "caf\xc3\xa9\x1b[31m\n\x7f~";
  fc_slot_stat_t stat = { .struct_size = sizeof stat };

  CHECK_RET (fc_slot_stat (test_dir, bad, &stat), -EINVAL);
  CHECK_DETAIL ("\"caf???[31m??~\" is no slot name");
}

static void
names_with_dots_do_not_mix (void)
{
  static const char *names[]
      = { "a", "a.ring", "a.lock", "a.consumers", "a.tmp", "tmp", "a.tmp.b" };
  enum
  {
    COUNT = sizeof names / sizeof names[0]
  };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer[COUNT];

  for (int i = 0; i < COUNT; i++)
    {
      writer[i] = writer_new (names[i], &options);
      put (writer[i], (unsigned) i + 1);
    }
  for (int i = 0; i < COUNT; i++)
    CHECK_EQ (slot_stat (names[i]).head, i + 1);
  CHECK_RET (fc_slot_gc (test_dir, NULL, 0), 0);
  for (int i = 0; i < COUNT; i++)
    {
      fc_writer_close (writer[i]);
      for (int j = i + 1; j < COUNT; j++)
        {
          fc_consumer_close (consumer_new (names[j], FC_START_LIVE));
          CHECK_EQ (slot_stat (names[j]).head, j + 1);
        }
    }
}

static void
missing_directory_is_named (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_writer_t *writer = NULL;
  fc_consumer_t *consumer = NULL;
  const char *gone = in_dir ("gone");

  options.dir = other.dir = gone;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -ENOENT);
  CHECK_DETAIL (gone);
  CHECK_RET (fc_consumer_open (&consumer, "cam0", &other), -ENOENT);
  CHECK (!exists (gone));
  CHECK_EQ (close (open (gone, O_CREAT | O_WRONLY, 0600)), 0);
  CHECK_CMP (fc_writer_open (&writer, "cam0", &options), <, 0);
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
}

static void
directory_that_others_may_write_in_needs_the_sticky_bit (void)
{
  static const mode_t bad[] = { 0770, 0777, 0720, 0702 };
  static const mode_t good[] = { 01777, 01770, 0755, 0700, 03775 };
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_writer_t *writer = NULL;
  fc_consumer_t *consumer = NULL;

  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
    {
      CHECK_EQ (chmod (test_dir, bad[i]), 0);
      CHECK_CMP (fc_writer_open (&writer, "cam0", &options), <, 0);
      CHECK_DETAIL (test_dir);
      CHECK_DETAIL ("sticky");
      CHECK_EQ (count_files (test_dir), 0);
    }
  for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++)
    {
      CHECK_EQ (chmod (test_dir, good[i]), 0);
      fc_writer_close (writer_new ("cam0", &options));
    }
  writer = writer_new ("cam0", &options);
  CHECK_EQ (chmod (test_dir, 0777), 0);
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  CHECK_DETAIL ("sticky");
  CHECK_EQ (chmod (test_dir, 0700), 0);
  fc_writer_close (writer);
}

static void
foreign_directory_is_refused (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = NULL;

  if (!am_root ())
    test_skip ("only root may give a directory to another user");
  CHECK_EQ (chown (test_dir, 1234, 0), 0);
  CHECK_EQ (chmod (test_dir, 0755), 0);
  CHECK_CMP (fc_writer_open (&writer, "cam0", &options), <, 0);
  CHECK_DETAIL (test_dir);
  CHECK_DETAIL ("1234");
  CHECK_EQ (count_files (test_dir), 0);
}

static void
link_or_fifo_in_a_files_place_is_refused (void)
{
  static const char *files[] = { "cam0.ring", "cam0.lock" };
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = NULL;
  char aside[400], ring[400], text[16];

  snprintf (ring, sizeof ring, "%s", in_dir ("cam0.ring"));
  snprintf (aside, sizeof aside, "%s", in_dir ("aside"));
  CHECK_EQ (rename (ring, aside), 0);
  CHECK_EQ (symlink ("aside", ring), 0);
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  CHECK_DETAIL (ring);
  CHECK_EQ (unlink (ring), 0);
  CHECK_EQ (mkfifo (ring, 0666), 0);
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  CHECK_EQ (unlink (ring), 0);
  CHECK_EQ (mkdir (ring, 0755), 0);
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  CHECK_EQ (rmdir (ring), 0);
  CHECK_EQ (rename (aside, ring), 0);
  fc_consumer_close (consumer_new ("cam0", FC_START_LIVE));
  fc_writer_close (writer);

  /* a writer neither follows a link nor hangs on a fifo */
  for (int i = 0; i < 2; i++)
    {
      const char *path = in_dir ("%s", files[i]);
      int fd = open (in_dir ("victim"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

      unlink (in_dir ("cam0.lock"));
      CHECK_EQ (write (fd, "precious", 8), 8);
      close (fd);
      CHECK_EQ (symlink ("victim", path), 0);
      if (fc_writer_open (&writer, "cam0", &options) == 0)
        fc_writer_close (writer);
      read_text (in_dir ("victim"), text, sizeof text);
      CHECK (!strcmp (text, "precious"));
      unlink (path);
      CHECK_EQ (mkfifo (path, 0600), 0);
      if (fc_writer_open (&writer, "cam0", &options) == 0)
        fc_writer_close (writer);
      unlink (path);
    }
}

static void
link_in_the_tables_place_is_refused (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = NULL;
  char table[400];

  snprintf (table, sizeof table, "%s", table_path ("cam0"));
  CHECK_EQ (rename (table, in_dir ("aside")), 0);
  CHECK_EQ (symlink ("aside", table), 0);
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  CHECK_EQ (unlink (table), 0);
  CHECK_EQ (mkfifo (table, 0600), 0);
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  CHECK_EQ (unlink (table), 0);
  CHECK_EQ (rename (in_dir ("aside"), table), 0);
  fc_consumer_close (consumer_new ("cam0", FC_START_LIVE));
  fc_writer_close (writer);
}

static void
environment_names_the_only_directory (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_consumer_t *consumer = NULL;
  fc_writer_t *writer;
  fc_plan_t plan = { .struct_size = sizeof plan };
  char second[400];

  snprintf (second, sizeof second, "%s", in_dir ("second"));
  CHECK_EQ (mkdir (second, 0700), 0);
  CHECK_EQ (setenv ("FC_DIR", second, 1), 0);
  options.dir = other.dir = NULL;
  writer = writer_new ("cam0", &options);
  CHECK_EQ (count_files (second), 3);
  CHECK_OK (fc_plan (&options, &plan));
  CHECK (!strcmp (plan.dir, second));
  fc_consumer_close (consumer_with ("cam0", &other));
  /* the option goes before it */
  other.dir = test_dir;
  CHECK_RET (fc_consumer_open (&consumer, "cam0", &other), -ENOENT);
  CHECK_EQ (setenv ("FC_DIR", test_dir, 1), 0);
  other.dir = NULL;
  CHECK_RET (fc_consumer_open (&consumer, "cam0", &other), -ENOENT);
  fc_writer_close (writer);
}

static void
touch (const char *path)
{
  int fd = open (path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);

  CHECK (fd >= 0);
  close (fd);
}

static void
next_writer_collects_what_crashes_left (void)
{
  static const char *left[]
      = { ".cam0.tmp.0123456789abcdef", ".cam0.tmp.00000000000000ff",
          ".cam0.00000000deadbeef.consumers" };
  static const char *others[]
      = { ".cam1.tmp.0123456789abcdef", ".cam1.00000000deadbeef.consumers",
          "cam0.txt", ".hidden", "README" };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  for (int i = 0; i < 3; i++)
    touch (in_dir ("%s", left[i]));
  for (int i = 0; i < 5; i++)
    touch (in_dir ("%s", others[i]));
  writer = writer_new ("cam0", &options);
  for (int i = 0; i < 3; i++)
    CHECK (!exists (in_dir ("%s", left[i])));
  for (int i = 0; i < 5; i++)
    CHECK (exists (in_dir ("%s", others[i])));
  CHECK_EQ (count_files (test_dir), 8);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (modes_do_not_depend_on_the_umask),
  TEST (group_is_the_directorys),
  TEST (trust_is_not_wider_than_access),
  TEST (access_wider_than_the_directory_is_refused),
  TEST (names_are_checked_before_a_path_is_built),
  TEST (name_that_is_none_is_quoted_as_plain_text),
  TEST (names_with_dots_do_not_mix),
  TEST (missing_directory_is_named),
  TEST (directory_that_others_may_write_in_needs_the_sticky_bit),
  TEST (foreign_directory_is_refused),
  TEST (link_or_fifo_in_a_files_place_is_refused),
  TEST (link_in_the_tables_place_is_refused),
  TEST (environment_names_the_only_directory),
  TEST (next_writer_collects_what_crashes_left),
};
TEST_MAIN (tests)
