/* framecache: a writer that means harm to who watches its slot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fcsrc observes another user's ring. Whatever becomes of the ring's bytes, it
 * goes on or says why not. The numbers are those of docs/ring-format.md.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-gst-test.h"

#define WRITER                                                                 \
  "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48,"    \
  "framerate=200/1 ! timeoverlay ! fcsink slot=cam0 ring-depth=4 access=all"
#define OTHER 65534

/* Of the file's header, where these areas are. */
enum
{
  FRAME_SIZE = 48,
  CELL_STRIDE = 56,
  CELLS_PLANNED = 68,
  WORDS = 128,
  MAP = 136,
  HEADERS = 152,
  FORMAT = 160,
  CELLS = 168,
  FORMAT_SIZE = 200
};

typedef struct
{
  GPid writer;
  gchar *path;
  guint8 *ring;
  gsize size;
} Scene;

static guint64
number (const Scene *scene, gsize at)
{
  guint64 value;

  memcpy (&value, scene->ring + at, sizeof value);
  return value;
}

/* How many bytes its writer has committed: grows with each frame. */
static guint64
committed (const Scene *scene)
{
  return number (scene, number (scene, WORDS) + 512);
}

static void
set_the_scene (Scene *scene)
{
  fc_slot_stat_t stat;
  struct stat st;
  int fd;

  g_assert_cmpint (chmod (g_getenv ("FC_TEST_BASE"), 0755), ==, 0);
  g_assert_cmpint (chmod (g_getenv ("FC_DIR"), 0755), ==, 0);
  scene->writer = fct_launch (WRITER);
  FCT_WAIT (fct_slot_stat ("cam0", &stat) && stat.head > 8);
  scene->path = g_build_filename (g_getenv ("FC_DIR"), "cam0.ring", NULL);
  fd = open (scene->path, O_RDWR | O_CLOEXEC);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (fstat (fd, &st), ==, 0);
  scene->size = (gsize) st.st_size;
  scene->ring
      = mmap (NULL, scene->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  g_assert_true (scene->ring != MAP_FAILED);
  close (fd);
}

static void
clear_the_scene (Scene *scene)
{
  fct_kill (scene->writer);
  munmap (scene->ring, scene->size);
  g_free (scene->path);
}

/* An element that has got some frames; as another user, who may only read. */
static GstHarness *
observe (GstBus **bus)
{
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstHarness *src;

  *bus = fct_bus (element);
  g_assert_cmpint (seteuid (OTHER), ==, 0);
  src = fct_src_harness (element);
  for (guint i = 0; i < 2; i++)
    {
      GstBuffer *buffer = gst_harness_pull (src);

      fail_unless (buffer != NULL, "frames have stopped");
      gst_buffer_unref (buffer);
    }
  fail_unless_equals_uint64 (fct_stat (src->element, "leased"), 0);
  return src;
}

static gboolean
has_failed (GstBus *bus)
{
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);

  if (message == NULL)
    return FALSE;
  gst_message_unref (message);
  return TRUE;
}

/* Until the element has met what was spoilt and got over it, or has not. */
static void
go_on_or_fail (const Scene *scene, GstHarness *src, GstBus *bus)
{
  guint64 before = committed (scene);
  gboolean failed = FALSE;
  guint received;

  FCT_WAIT ((failed = failed || has_failed (bus))
            || committed (scene) > before + 10 * 64 * 48);
  while (gst_harness_buffers_in_queue (src) > 0)
    gst_buffer_unref (gst_harness_pull (src));
  received = gst_harness_buffers_received (src);
  FCT_WAIT ((failed = failed || has_failed (bus))
            || gst_harness_buffers_received (src) > received);
}

static void
stop_observing (GstHarness *src, GstBus *bus)
{
  fct_stop (src);
  g_assert_cmpint (seteuid (0), ==, 0);
  fct_bus_free (bus);
}

/* While it is written: each word, over and over, until it was met. */
static void
spoil (Scene *scene, gsize at)
{
  static const guint64 odd[] = { 0, G_GUINT64_CONSTANT (1) << 40, G_MAXUINT64 };

  for (guint i = 0; i < G_N_ELEMENTS (odd); i++)
    {
      GstBus *bus;
      GstHarness *src = observe (&bus);
      guint64 good = number (scene, at);

      memcpy (scene->ring + at, &odd[i], sizeof odd[i]);
      go_on_or_fail (scene, src, bus);
      memcpy (scene->ring + at, &good, sizeof good);
      stop_observing (src, bus);
    }
}

GST_START_TEST (spoilt_words_are_errors_or_pass)
{
  static const gsize words[] = { 0, 128, 256, 264, 400 };
  Scene scene;

  set_the_scene (&scene);
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    spoil (&scene, number (&scene, WORDS) + words[i]);
  for (guint i = 0; i < 2; i++)
    spoil (&scene, number (&scene, MAP) + 8 * i);
  spoil (&scene, FORMAT_SIZE);
  clear_the_scene (&scene);
}
GST_END_TEST

GST_START_TEST (spoilt_frames_are_errors_or_pass)
{
  Scene scene;

  set_the_scene (&scene);
  for (gsize at = 0; at < 128; at += 8)
    spoil (&scene, number (&scene, HEADERS) + at);
  clear_the_scene (&scene);
}
GST_END_TEST

/* The block behind a frame's bytes, and the caps. */
GST_START_TEST (spoilt_blocks_are_errors_or_pass)
{
  Scene scene;
  GRand *random = g_rand_new_with_seed (5);

  set_the_scene (&scene);
  for (guint round = 0; round < 12; round++)
    {
      gsize at = round % 2 ? number (&scene, FORMAT)
                           : number (&scene, CELLS)
                                 + (number (&scene, FRAME_SIZE) + 63) / 64 * 64;
      guint8 good[64];
      GstBus *bus;
      GstHarness *src;

      memcpy (good, scene.ring + at, sizeof good);
      src = observe (&bus);
      for (guint i = 0; i < sizeof good; i++)
        scene.ring[at + i] = round < 2 ? 0xff : g_rand_int (random) & 0xff;
      go_on_or_fail (&scene, src, bus);
      stop_observing (src, bus);
      /* and for one that comes meanwhile */
      src = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", NULL));
      fct_stop (src);
      memcpy (scene.ring + at, good, sizeof good);
    }
  g_rand_free (random);
  clear_the_scene (&scene);
}
GST_END_TEST

static guint64
resident (void)
{
  guint64 pages = 0;
  gchar *text;

  fail_unless (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  pages = g_ascii_strtoull (strchr (text, ' ') + 1, NULL, 10);
  g_free (text);
  return pages * (guint64) sysconf (_SC_PAGESIZE);
}

GST_START_TEST (frame_that_claims_a_terabyte_is_an_error)
{
  guint64 size = G_GUINT64_CONSTANT (1) << 40, stride = size + 4096, before;
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", "start", 2, NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *src;
  Scene scene;

  set_the_scene (&scene);
  g_assert_cmpint (kill (scene.writer, SIGSTOP), ==, 0);
  memcpy (scene.ring + FRAME_SIZE, &size, sizeof size);
  memcpy (scene.ring + CELL_STRIDE, &stride, sizeof stride);
  /* as many cells as it was planned with are in a file of holes */
  g_assert_cmpint (
      truncate (scene.path, (off_t) (number (&scene, CELLS) + 400 * stride)),
      ==, 0);
  for (guint cell = 0; cell < 8; cell++)
    memcpy (scene.ring + number (&scene, HEADERS) + 128 * cell + 8, &size,
            sizeof size);
  before = resident ();
  g_assert_cmpint (seteuid (OTHER), ==, 0);
  src = fct_src_harness (element);
  fct_expect_error (bus, GST_RESOURCE_ERROR_READ, "larger than its file");
  fail_unless (resident () < before + (64 << 20), "it took memory");
  stop_observing (src, bus);
  clear_the_scene (&scene);
}
GST_END_TEST

/* Within what is read at each look, whether or not a frame has come. */
GST_START_TEST (cut_file_is_an_error)
{
  static const off_t lengths[] = { 0, 100, 400 };

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      GstHarness *src;
      GstBus *bus;
      Scene scene;

      set_the_scene (&scene);
      src = observe (&bus);
      g_assert_cmpint (seteuid (0), ==, 0);
      g_assert_cmpint (kill (scene.writer, SIGSTOP), ==, 0);
      g_assert_cmpint (truncate (scene.path, lengths[i]), ==, 0);
      FCT_WAIT (has_failed (bus));
      stop_observing (src, bus);
      clear_the_scene (&scene);
    }
}
GST_END_TEST

static Suite *
hostile_suite (void)
{
  Suite *suite = suite_create ("hostile");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (suite, tc);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, spoilt_words_are_errors_or_pass);
  tcase_add_test (tc, spoilt_frames_are_errors_or_pass);
  tcase_add_test (tc, spoilt_blocks_are_errors_or_pass);
  tcase_add_test (tc, frame_that_claims_a_terabyte_is_an_error);
  tcase_add_test (tc, cut_file_is_an_error);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, hostile_suite);
}
