/* framecache: what the element tests share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fc-gst-test.h"

/* Directories --------------------------------------------------------- */

static int
remove_one (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  return remove (path);
}

/* A process that does nothing but wait until all others that know FD's other
 * end are gone, and then removes BASE. */
static pid_t
start_sweeper (const gchar *base, int fd[2])
{
  pid_t pid = fork ();
  char byte;

  g_assert_cmpint (pid, >=, 0);
  if (pid > 0)
    {
      close (fd[0]);
      return pid;
    }
  setsid ();
  close (fd[1]);
  while (read (fd[0], &byte, 1) != 0)
    if (errno != EINTR)
      break;
  nftw (base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  _exit (0);
}

int
fct_main (int argc, char **argv, Suite *(*suite) (void) )
{
  gchar base[] = "/dev/shm/fc-gst-test-XXXXXX";
  int fd[2], status;
  SRunner *runner;
  gboolean ok;
  pid_t sweeper;

  if (argc > 1)
    g_setenv ("GST_CHECKS", argv[1], TRUE);
  g_assert_nonnull (mkdtemp (base));
  g_assert_cmpint (pipe2 (fd, O_CLOEXEC), ==, 0);
  sweeper = start_sweeper (base, fd);
  g_setenv ("FC_TEST_BASE", base, TRUE);
  gst_check_init (&argc, &argv);
  runner = srunner_create (suite ());
  srunner_run_all (runner, CK_NORMAL);
  ok = srunner_ntests_run (runner) > 0 && srunner_ntests_failed (runner) == 0;
  srunner_free (runner);
  close (fd[1]);
  waitpid (sweeper, &status, 0);
  return ok ? 0 : 1;
}

void
fct_set_up (void)
{
  gchar *dir = g_strdup_printf ("%s/%d", g_getenv ("FC_TEST_BASE"), getpid ());

  g_assert_cmpint (mkdir (dir, 0700), ==, 0);
  g_setenv ("FC_DIR", dir, TRUE);
  g_free (dir);
}

void
fct_tear_down (void)
{
  nftw (g_getenv ("FC_DIR"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Elements ------------------------------------------------------------ */

GstElement *
fct_new (const gchar *factory, ...)
{
  GstElement *element = gst_element_factory_make (factory, NULL);
  const gchar *first;
  va_list args;

  g_assert_nonnull (element);
  if (g_str_equal (factory, "fcsink"))
    g_object_set (element, "sync", FALSE, NULL);
  va_start (args, factory);
  first = va_arg (args, const gchar *);
  if (first != NULL)
    g_object_set_valist (G_OBJECT (element), first, args);
  va_end (args);
  return element;
}

GstHarness *
fct_sink_harness (GstElement *sink, const gchar *caps)
{
  GstHarness *h = gst_harness_new_with_element (sink, "sink", NULL);

  gst_object_unref (sink);
  gst_harness_use_systemclock (h);
  if (caps != NULL)
    gst_harness_set_src_caps_str (h, caps);
  return h;
}

GstHarness *
fct_src_harness (GstElement *src)
{
  GstHarness *h = gst_harness_new_with_element (src, NULL, "src");

  gst_object_unref (src);
  gst_harness_use_systemclock (h);
  gst_harness_play (h);
  return h;
}

void
fct_stop (GstHarness *h)
{
  gst_harness_teardown (h);
}

GstHarness *
fct_writer (void)
{
  return fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), FCT_DATA);
}

GstHarness *
fct_reader (const gchar *property, gint value)
{
  return fct_src_harness (fct_new ("fcsrc", "slot", "cam0", "timestamps", 1,
                                   property, value, NULL));
}

void
fct_both (GstHarness **sink, GstHarness **src)
{
  *sink = fct_writer ();
  *src = fct_reader (NULL, 0);
  FCT_WAIT (fct_waiting ("cam0") == 1);
}

GstBuffer *
fct_buffer (guint number, gsize size)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);
  GstMapInfo map;
  gsize i;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (i = 0; i < size; i++)
    map.data[i] = (guint8) (number * 31 + i * 7 + (i >> 8));
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = number * 20 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 20 * GST_MSECOND;
  GST_BUFFER_OFFSET (buffer) = number;
  return buffer;
}

void
fct_push_caps (GstHarness *h, const gchar *text)
{
  GstCaps *caps = gst_caps_from_string (text);

  fail_unless (gst_harness_push_event (h, gst_event_new_caps (caps)));
  gst_caps_unref (caps);
}

void
fct_push (GstHarness *h, guint number, gsize size)
{
  fail_unless_equals_int (gst_harness_push (h, fct_buffer (number, size)),
                          GST_FLOW_OK);
}

void
fct_check_buffer (GstBuffer *buffer, guint number, gsize size)
{
  GstBuffer *expected = fct_buffer (number, size);
  GstMapInfo map;

  g_assert_true (gst_buffer_map (expected, &map, GST_MAP_READ));
  fail_unless_equals_uint64 (GST_BUFFER_OFFSET (buffer), number);
  gst_check_buffer_data (buffer, map.data, map.size);
  gst_buffer_unmap (expected, &map);
  gst_buffer_unref (expected);
}

void
fct_pull (GstHarness *h, guint number, gsize size)
{
  GstBuffer *buffer = gst_harness_pull (h);

  fail_unless (buffer != NULL, "frame %u never came", number);
  fct_check_buffer (buffer, number, size);
  gst_buffer_unref (buffer);
}

GstEvent *
fct_pull_event (GstHarness *h, GstEventType type)
{
  for (;;)
    {
      GstEvent *event = gst_harness_pull_event (h);

      fail_unless (event != NULL, "no %s", gst_event_type_get_name (type));
      if (GST_EVENT_TYPE (event) == type)
        return event;
      gst_event_unref (event);
    }
}

/* What there is ------------------------------------------------------- */

guint64
fct_stat (GstElement *element, const gchar *field)
{
  GstStructure *stats;
  guint64 value = 0;

  g_object_get (element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, field, &value), "no %s", field);
  gst_structure_free (stats);
  return value;
}

gboolean
fct_slot_stat (const gchar *slot, fc_slot_stat_t *stat)
{
  memset (stat, 0, sizeof (*stat));
  stat->struct_size = sizeof (*stat);
  return fc_slot_stat (NULL, slot, stat) == 0;
}

guint
fct_consumers (const gchar *slot)
{
  fc_slot_stat_t stat;

  return fct_slot_stat (slot, &stat) ? stat.consumers : 0;
}

static int
count_waiting (const fc_consumer_stat_t *stat, void *user_data)
{
  *(guint *) user_data += stat->waiting;
  return 0;
}

/* How many inotify descriptors process PID has: one for each consumer that
 * waits for a slot. */
static guint
count_watches (const gchar *pid)
{
  gchar *path = g_strdup_printf ("/proc/%s/fd", pid);
  GDir *dir = g_dir_open (path, 0, NULL);
  const gchar *name;
  guint watches = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      gchar *fd = g_build_filename (path, name, NULL);
      gchar *what = g_file_read_link (fd, NULL);

      watches += what != NULL && g_str_equal (what, "anon_inode:inotify");
      g_free (what);
      g_free (fd);
    }
  g_clear_pointer (&dir, g_dir_close);
  g_free (path);
  return watches;
}

/* Of this process, and of those that it started. */
static guint
count_waiting_for_slot (void)
{
  gchar *path = g_strdup_printf ("/proc/self/task/%d/children", getpid ());
  gchar *text = NULL, **pids;
  guint waiting = count_watches ("self"), i;

  if (g_file_get_contents (path, &text, NULL, NULL))
    {
      pids = g_strsplit (g_strchomp (text), " ", -1);
      for (i = 0; pids[i] != NULL; i++)
        waiting += count_watches (pids[i]);
      g_strfreev (pids);
    }
  g_free (text);
  g_free (path);
  return waiting;
}

guint
fct_waiting (const gchar *slot)
{
  guint waiting = 0;

  if (fc_slot_consumers (NULL, slot, count_waiting, &waiting) == -ENOENT)
    return count_waiting_for_slot ();
  return waiting;
}

/* Messages ------------------------------------------------------------ */

GstBus *
fct_bus (GstElement *element)
{
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (element, bus);
  return bus;
}

void
fct_bus_free (GstBus *bus)
{
  gst_bus_set_flushing (bus, TRUE);
  gst_object_unref (bus);
}

GstMessage *
fct_message (GstBus *bus, const gchar *name)
{
  gint64 end = g_get_monotonic_time () + FCT_PATIENCE;

  for (;;)
    {
      GstMessage *message = gst_bus_timed_pop_filtered (
          bus, (end - g_get_monotonic_time ()) * 1000, GST_MESSAGE_ELEMENT);

      fail_unless (message != NULL, "no message %s", name);
      if (gst_message_has_name (message, name))
        return message;
      gst_message_unref (message);
    }
}

void
fct_expect_error (GstBus *bus, gint code, const gchar *text)
{
  GstMessage *message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                                    GST_MESSAGE_ERROR);
  GError *error;
  gchar *debug;

  fail_unless (message != NULL, "no error");
  gst_message_parse_error (message, &error, &debug);
  GST_INFO ("%s (%s)", error->message, debug);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR, code),
               "another error: %s (%s)", error->message, debug);
  fail_unless (strstr (error->message, text) != NULL, "no '%s' in '%s'", text,
               error->message);
  g_error_free (error);
  g_free (debug);
  gst_message_unref (message);
}

/* Other processes ----------------------------------------------------- */

static void
die_with_parent (gpointer user_data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

GPid
fct_spawn (const gchar *format, ...)
{
  GError *error = NULL;
  gchar **argv;
  gchar *line;
  va_list args;
  GPid pid;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  g_assert_true (g_shell_parse_argv (line, NULL, &argv, &error));
  g_spawn_async (NULL, argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD,
                 die_with_parent, NULL, &pid, &error);
  g_assert_no_error (error);
  g_strfreev (argv);
  g_free (line);
  return pid;
}

GPid
fct_launch (const gchar *format, ...)
{
  va_list args;
  gchar *line;
  GPid pid;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  pid = fct_spawn ("gst-launch-1.0 -q %s", line);
  g_free (line);
  return pid;
}

void
fct_kill (GPid pid)
{
  int status;

  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
}

void
fct_finished (GPid pid)
{
  int status = 0;

  FCT_WAIT (waitpid (pid, &status, WNOHANG) == pid);
  fail_unless (WIFEXITED (status) && WEXITSTATUS (status) == 0,
               "the process ended with status 0x%x", status);
}
