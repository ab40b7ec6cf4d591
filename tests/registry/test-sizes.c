/* Sizes: words, formats and what they come to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>
#include <string.h>

#ifdef HAVE_GST_VIDEO
#include <gst/video/video.h>
#endif

#include "sizes.h"

#ifdef HAVE_GST_VIDEO
static const guint sides[]
    = { 1,    2,    3,    4,    5,    6,    7,    8,    15,  16,
        17,   23,   31,   32,   33,   46,   47,   48,   49,  63,
        64,   65,   95,   96,   97,   127,  129,  175,  176, 177,
        239,  320,  321,  479,  481,  576,  639,  640,  719, 1080,
        1081, 1279, 1919, 1920, 1921, 2160, 4095, 4096, 4097 };

static void
formats_as_gstreamer_lays_them_out (void)
{
  const gchar *const *names = fcr_sizes_formats ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      GstVideoFormat format = gst_video_format_from_string (names[i]);

      g_assert_cmpint (format, !=, GST_VIDEO_FORMAT_UNKNOWN);
      for (guint w = 0; w < G_N_ELEMENTS (sides); w++)
        for (guint h = 0; h < G_N_ELEMENTS (sides); h++)
          {
            GstVideoInfo info;

            g_assert_true (
                gst_video_info_set_format (&info, format, sides[w], sides[h]));
            if (fcr_sizes_picture (names[i], sides[w], sides[h]) != info.size)
              g_error ("%s at %ux%u: %" G_GUINT64_FORMAT " bytes here, "
                       "%" G_GSIZE_FORMAT " there",
                       names[i], sides[w], sides[h],
                       fcr_sizes_picture (names[i], sides[w], sides[h]),
                       info.size);
          }
    }
}

/* All that GStreamer has, but for what is neither lines of pixels (tiles, or a
 * palette behind them) nor in a process's memory. */
static void
every_format_of_lines_is_known (void)
{
  for (guint i = GST_VIDEO_FORMAT_ENCODED + 1;; i++)
    {
      const GstVideoFormatInfo *info
          = gst_video_format_get_info ((GstVideoFormat) i);

      /* GStreamer 1.22's last; later ones are no fault of this table's. */
      if (info == NULL || strcmp (info->name, "NV12_10BE_8L128") == 0)
        break;
      if (GST_VIDEO_FORMAT_INFO_IS_TILED (info)
          || GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info))
        continue;
      if (!g_strv_contains (fcr_sizes_formats (), info->name))
        g_error ("%s is missing", info->name);
    }
}
#endif

static void
formats_without_gstreamer (void)
{
  g_assert_cmpuint (fcr_sizes_picture ("NV12", 1920, 1080), ==, 3110400);
  g_assert_cmpuint (fcr_sizes_picture ("nv12", 1920, 1080), ==, 3110400);
  g_assert_cmpuint (fcr_sizes_picture ("I420", 1921, 1081), ==,
                    1924 * 1082 + 2 * 964 * 541);
  g_assert_cmpuint (fcr_sizes_picture ("v210", 1920, 1080), ==, 5120 * 1080);
  g_assert_cmpuint (fcr_sizes_picture ("RGB", 3, 2), ==, 24);
  g_assert_cmpuint (fcr_sizes_picture ("NV12", 0, 1080), ==, 0);
  g_assert_cmpuint (fcr_sizes_picture ("NV12", 1920, G_MAXUINT), ==, 0);
  g_assert_cmpuint (fcr_sizes_picture ("", 1920, 1080), ==, 0);
  g_assert_cmpuint (fcr_sizes_picture (NULL, 1920, 1080), ==, 0);
  for (guint i = 0; fcr_sizes_formats ()[i] != NULL; i++)
    for (guint k = 0; k < i; k++)
      g_assert_cmpint (
          g_ascii_strcasecmp (fcr_sizes_formats ()[i], fcr_sizes_formats ()[k]),
          !=, 0);
}

static void
parse (FcrSizes *sizes, const gchar *words)
{
  g_auto (GStrv) split = g_strsplit (words, " ", -1);
  g_autoptr (GError) error = NULL;

  fcr_sizes_clear (sizes);
  for (guint i = 0; split[i] != NULL; i++)
    {
      fcr_sizes_parse_word (sizes, split[i], &error);
      g_assert_no_error (error);
    }
}

static void
words_are_read (void)
{
  FcrSizes sizes = FCR_SIZES_INIT;

  parse (&sizes, "1920x1080@60 nv12 10s x4");
  g_assert_cmpuint (sizes.width, ==, 1920);
  g_assert_cmpuint (sizes.height, ==, 1080);
  g_assert_cmpuint (sizes.fps_n, ==, 60);
  g_assert_cmpuint (sizes.fps_d, ==, 1);
  g_assert_cmpstr (sizes.pixels, ==, "NV12");
  g_assert_cmpfloat (sizes.seconds, ==, 10);
  g_assert_cmpuint (sizes.count, ==, 4);
  g_assert_cmpuint (sizes.frame_size, ==, 0);

  parse (&sizes, "64KiB@30000/1001 120f");
  g_assert_cmpuint (sizes.frame_size, ==, 65536);
  g_assert_cmpuint (sizes.fps_n, ==, 30000);
  g_assert_cmpuint (sizes.fps_d, ==, 1001);
  g_assert_cmpuint (sizes.ring_depth, ==, 120);

  parse (&sizes, "1.5MB@59.94 1.5min");
  g_assert_cmpuint (sizes.frame_size, ==, 1500000);
  g_assert_cmpuint (sizes.fps_n, ==, 2997);
  g_assert_cmpuint (sizes.fps_d, ==, 50);
  g_assert_cmpfloat (sizes.seconds, ==, 90);

  parse (&sizes, "xRGB 640X480 @0.5 500ms");
  g_assert_cmpuint (sizes.height, ==, 480);
  g_assert_cmpstr (sizes.pixels, ==, "xRGB");
  g_assert_cmpuint (sizes.fps_n, ==, 1);
  g_assert_cmpuint (sizes.fps_d, ==, 2);
  g_assert_cmpfloat (sizes.seconds, ==, 0.5);
  fcr_sizes_clear (&sizes);
}

static void
bytes_by_their_units (void)
{
  const struct
  {
    const gchar *word;
    guint64 bytes;
  } units[] = {
    { "4096", 4096 },      { "1B", 1 },
    { "2kB", 2000 },       { "3MB", 3000000 },
    { "4GB", 4000000000 }, { "2KiB", 2048 },
    { "3MiB", 3 << 20 },   { "4GiB", G_GUINT64_CONSTANT (4) << 30 },
    { "0.0001kB", 1 },     { "9223372036854775807", G_MAXINT64 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    {
      FcrSizes sizes = FCR_SIZES_INIT;

      parse (&sizes, units[i].word);
      g_assert_cmpuint (sizes.frame_size, ==, units[i].bytes);
    }
}

/* Each with a part of its sentence. */
static const gchar *const refused[][2] = {
  { "", "not understood" },
  { "NaN", "not understood" },
  { "inf", "not understood" },
  { "-5", "not understood" },
  { "+5", "not understood" },
  { " 5", "not understood" },
  { "0x0", "WIDTHxHEIGHT" },
  { "0x1080", "WIDTHxHEIGHT" },
  { "1920x", "WIDTHxHEIGHT" },
  { "1920x1080x3", "WIDTHxHEIGHT" },
  { "1920x-1080", "WIDTHxHEIGHT" },
  { "1e9x1e9", "unit" },
  { "1000000000x1000000000", "WIDTHxHEIGHT" },
  { "1920x1080@", "no frame rate" },
  { "1920x1080@0", "will not do" },
  { "1920x1080@0/1", "will not do" },
  { "1920x1080@60/0", "no frame rate" },
  { "1920x1080@-60", "no frame rate" },
  { "1920x1080@60fps", "no frame rate" },
  { "1920x1080@1e3", "no frame rate" },
  { "1920x1080@99999999999", "will not do" },
  { "1920x1080@60@60", "no frame rate" },
  { "NV12@60", "before a frame rate" },
  { "0", "at least 1 byte" },
  { "0.0KiB", "at least 1 byte" },
  { "1.KiB", "digits" },
  { "1.2.3MB", "unit" },
  { "1kb", "unit" },
  { "1080p", "a picture 1920x1080" },
  { "60fps", "a rate @60" },
  { "5 MB", "unit" },
  { "5YB", "unit" },
  { "9223372036854775808", "more bytes" },
  { "99999999999GiB", "more bytes" },
  { "99999999999999999999999", "digits" },
  { "0s", "longer" },
  { "10s@60", "before its @" },
  { "1f", "depth" },
  { "0f", "depth" },
  { "1.5f", "depth" },
  { "70000f", "depth" },
  { "x0", "number of slots" },
  { "x1.5", "number of slots" },
  { "x99999999999", "number of slots" },
  { "NV13", "say a frame's bytes" },
  { "\x1b[31m\xff", "\"\\033[31m\\377\"" },
};

static void
junk_is_refused_in_a_sentence (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      FcrSizes sizes = FCR_SIZES_INIT;
      g_autoptr (GError) error = NULL;

      g_assert_false (fcr_sizes_parse_word (&sizes, refused[i][0], &error));
      g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
      if (strstr (error->message, refused[i][1]) == NULL)
        g_error ("%s: %s", refused[i][0], error->message);
      g_assert_true (g_str_is_ascii (error->message));
      fcr_sizes_clear (&sizes);
    }
}

static void
a_long_word_is_cut_in_its_sentence (void)
{
  g_autofree gchar *word = g_strnfill (1 << 20, 'a');
  FcrSizes sizes = FCR_SIZES_INIT;
  g_autoptr (GError) error = NULL;

  g_assert_false (fcr_sizes_parse_word (&sizes, word, &error));
  g_assert_cmpuint (strlen (error->message), <, 600);
}

static void
nothing_is_said_twice (void)
{
  static const gchar *const twice[][2] = {
    { "1920x1080", "1920x1080" }, { "1920x1080@60", "64KiB@60" },
    { "64KiB", "65536" },         { "10s", "500ms" },
    { "120f", "120f" },           { "x2", "x2" },
    { "NV12", "I420" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (twice); i++)
    {
      FcrSizes sizes = FCR_SIZES_INIT;
      g_autoptr (GError) error = NULL;

      parse (&sizes, twice[i][0]);
      g_assert_false (fcr_sizes_parse_word (&sizes, twice[i][1], &error));
      g_assert_nonnull (strstr (error->message, "for the second time"));
      fcr_sizes_clear (&sizes);
    }
}

static void
sizes_are_worked_out (void)
{
  const struct
  {
    const gchar *words;
    guint64 frame_size;
    guint depth;
  } cases[] = {
    { "1920x1080@60 NV12 10s", 3110400, 600 },
    { "1920x1080@30000/1001 NV12 10s", 3110400, 300 },
    { "1920x1080@59.94 NV12 10s", 3110400, 600 },
    { "64KiB@50 100ms", 65536, 5 },
    { "64KiB@50 101ms", 65536, 6 },
    { "64KiB@50 1ms", 65536, 2 },
    { "64KiB", 65536, 120 },
    { "64KiB@50", 65536, 120 },
    { "64KiB@50 7f", 65536, 7 },
    { "64KiB@50 500f 10s", 65536, 500 },
    { "1920x1080 NV12", 3110400, 86 },
    { "7680x4320 RGBA", 132710400, 8 },
    { "1920x1080 1MiB", 1 << 20, 120 },
    { "1920x1080 NV12 4MiB", 4 << 20, 64 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      FcrSizes sizes = FCR_SIZES_INIT;
      fc_writer_options_t options;
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", cases[i].words);
      parse (&sizes, cases[i].words);
      fcr_sizes_resolve (&sizes, &options, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (options.frame_size, ==, cases[i].frame_size);
      g_assert_cmpuint (options.ring_depth, ==, cases[i].depth);
      g_assert_null (options.format);
      fcr_sizes_clear (&sizes);
    }
}

static void
what_does_not_add_up_is_refused (void)
{
  static const gchar *const cases[][2] = {
    { "10s", "how large a frame is" },
    { "@60", "how large a frame is" },
    { "1920x1080", "depends on its format" },
    { "NV12", "without a picture's size" },
    { "1920x1080 NV12 10s", "needs a frame rate" },
    { "64KiB 10s", "needs a frame rate" },
    { "64KiB@50 120f 10s", "say one of them" },
    { "64KiB@50 10h", "at most 65535" },
    { "1920x1080 NV12 1MiB", "does not fit" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      FcrSizes sizes = FCR_SIZES_INIT;
      fc_writer_options_t options;
      g_autoptr (GError) error = NULL;

      parse (&sizes, cases[i][0]);
      g_assert_false (fcr_sizes_resolve (&sizes, &options, &error));
      g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
      if (strstr (error->message, cases[i][1]) == NULL)
        g_error ("%s: %s", cases[i][0], error->message);
      fcr_sizes_clear (&sizes);
    }
}

/* As a client on the bus says them, unchecked. */
static void
numbers_out_of_range_are_refused (void)
{
  gchar *unknown = (gchar *) "\xff\x1b?";
  const struct
  {
    FcrSizes sizes;
    const gchar *part;
  } cases[] = {
    { { .width = 70000, .height = 2 }, "70000 x 2" },
    { { .width = 2, .frame_size = 1 }, "2 x 0" },
    { { .frame_size = 1, .fps_n = 60 }, "60/0" },
    { { .frame_size = 1, .fps_d = 1 }, "0/1" },
    { { .frame_size = 1, .fps_n = 2000000, .fps_d = 1 }, "2000000/1" },
    { { .frame_size = 1, .seconds = NAN }, "nan" },
    { { .frame_size = 1, .seconds = INFINITY }, "inf" },
    { { .frame_size = 1, .seconds = -1 }, "-1" },
    { { .frame_size = 1, .seconds = 1e300, .fps_n = 1, .fps_d = 1 }, "1e+300" },
    { { .width = 2, .height = 2, .pixels = unknown }, "\"\\377\\033?\"" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      fc_writer_options_t options;
      g_autoptr (GError) error = NULL;

      g_assert_false (fcr_sizes_resolve (&cases[i].sizes, &options, &error));
      if (strstr (error->message, cases[i].part) == NULL)
        g_error ("%s is not in: %s", cases[i].part, error->message);
    }
}

static void
options_carry_what_was_said (void)
{
  gchar *caps = (gchar *) "video/x-raw, format=NV12";
  FcrSizes sizes = { .frame_size = G_MAXUINT64,
                     .max_consumers = 3,
                     .leases = 5,
                     .writer_cells = 7,
                     .format = caps,
                     .access = FC_SHARE_ALL,
                     .trust = FC_SHARE_GROUP };
  fc_writer_options_t options;
  g_autoptr (GError) error = NULL;

  fcr_sizes_resolve (&sizes, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (options.struct_size, ==, sizeof options);
  g_assert_cmpuint (options.frame_size, ==, G_MAXUINT64);
  g_assert_cmpuint (options.max_consumers, ==, 3);
  g_assert_cmpuint (options.leases, ==, 5);
  g_assert_cmpuint (options.writer_cells, ==, 7);
  g_assert_cmpuint (options.access, ==, FC_SHARE_ALL);
  g_assert_cmpuint (options.trust, ==, FC_SHARE_GROUP);
  g_assert_true (options.format == caps);
  g_assert_cmpuint (options.format_size, ==, strlen (caps));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#ifdef HAVE_GST_VIDEO
  gst_init (NULL, NULL);
  g_test_add_func ("/sizes/formats-as-gstreamer-lays-them-out",
                   formats_as_gstreamer_lays_them_out);
  g_test_add_func ("/sizes/every-format-of-lines-is-known",
                   every_format_of_lines_is_known);
#endif
  g_test_add_func ("/sizes/formats-without-gstreamer",
                   formats_without_gstreamer);
  g_test_add_func ("/sizes/words-are-read", words_are_read);
  g_test_add_func ("/sizes/bytes-by-their-units", bytes_by_their_units);
  g_test_add_func ("/sizes/junk-is-refused-in-a-sentence",
                   junk_is_refused_in_a_sentence);
  g_test_add_func ("/sizes/a-long-word-is-cut-in-its-sentence",
                   a_long_word_is_cut_in_its_sentence);
  g_test_add_func ("/sizes/nothing-is-said-twice", nothing_is_said_twice);
  g_test_add_func ("/sizes/sizes-are-worked-out", sizes_are_worked_out);
  g_test_add_func ("/sizes/what-does-not-add-up-is-refused",
                   what_does_not_add_up_is_refused);
  g_test_add_func ("/sizes/numbers-out-of-range-are-refused",
                   numbers_out_of_range_are_refused);
  g_test_add_func ("/sizes/options-carry-what-was-said",
                   options_carry_what_was_said);
  return g_test_run ();
}
