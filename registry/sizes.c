/* framecache: how large a slot of such frames is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>
#include <string.h>

#include "sizes-private.h"

/* What fcsink takes where no depth is asked for. */
#define PAGE 4096u
#define DEPTH_DEFAULT 120u
#define DEPTH_MIN 8u
#define DEPTH_BYTES (G_GUINT64_CONSTANT (256) << 20)

#define EXAMPLE "1920x1080@60 NV12 10s"

void
fcr_sizes_clear (FcrSizes *sizes)
{
  g_free (sizes->pixels);
  g_free (sizes->format);
  *sizes = (FcrSizes) FCR_SIZES_INIT;
}

gboolean
fcr_sizes_bad (GError **error, const gchar *format, ...)
{
  g_autofree gchar *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                       message);
  return FALSE;
}

gchar *
fcr_sizes_quote (const gchar *word)
{
  g_autofree gchar *start = g_strndup (word, 60);
  g_autofree gchar *escaped = g_strescape (start, NULL);

  return g_strdup_printf ("\"%s%s\"", escaped,
                          strlen (word) > strlen (start) ? "..." : "");
}

static gboolean
check_numbers (const FcrSizes *sizes, GError **error)
{
  if ((sizes->width == 0) != (sizes->height == 0) || sizes->width > SIDE_MAX
      || sizes->height > SIDE_MAX)
    return fcr_sizes_bad (
        error,
        "a picture of %u x %u pixels will not do: width and height "
        "are 1 to %u each",
        sizes->width, sizes->height, SIDE_MAX);
  if ((sizes->fps_n == 0) != (sizes->fps_d == 0)
      || (sizes->fps_d != 0 && sizes->fps_n / sizes->fps_d > RATE_MAX))
    return fcr_sizes_bad (
        error,
        "a frame rate of %u/%u will not do: more than 0 and up to %u "
        "frames a second, as in 60/1 or 30000/1001",
        sizes->fps_n, sizes->fps_d, RATE_MAX);
  if (!isfinite (sizes->seconds) || sizes->seconds < 0)
    return fcr_sizes_bad (
        error,
        "a history of %g seconds will not do: a number above 0, as "
        "in 10 or 0.5",
        sizes->seconds);
  return TRUE;
}

static gboolean
resolve_frame_size (const FcrSizes *sizes, guint64 *size, GError **error)
{
  guint64 picture = 0;

  if (sizes->pixels != NULL)
    {
      g_autofree gchar *quoted = fcr_sizes_quote (sizes->pixels);

      if (sizes->width == 0)
        return fcr_sizes_bad (error,
                              "%s is a format without a picture's size; say "
                              "both, as in " EXAMPLE,
                              quoted);
      picture = fcr_sizes_picture (sizes->pixels, sizes->width, sizes->height);
      if (picture == 0)
        return fcr_sizes_bad (error,
                              "%s is no raw video format that is known here "
                              "(NV12, I420, RGBA, v210, ...); say the bytes of "
                              "a frame instead",
                              quoted);
    }
  if (picture == 0 && sizes->frame_size == 0 && sizes->width != 0)
    return fcr_sizes_bad (
        error,
        "how many bytes a picture of %ux%u has depends on its format; "
        "add one, as in %ux%u NV12, or the bytes of the largest frame",
        sizes->width, sizes->height, sizes->width, sizes->height);
  if (picture == 0 && sizes->frame_size == 0)
    return fcr_sizes_bad (
        error, "how large a frame is was not said; say a picture and its "
               "format (" EXAMPLE "), or a frame's bytes (64KiB)");
  if (picture > sizes->frame_size && sizes->frame_size != 0)
    return fcr_sizes_bad (
        error,
        "a picture of %ux%u %s has %" G_GUINT64_FORMAT " bytes and "
        "does not fit in frames of %" G_GUINT64_FORMAT "; leave the "
        "frame size out, or raise it",
        sizes->width, sizes->height, sizes->pixels, picture, sizes->frame_size);
  *size = MAX (picture, sizes->frame_size);
  return TRUE;
}

static guint
default_depth (guint64 frame_size)
{
  guint64 depth
      = DEPTH_BYTES / MAX ((frame_size + PAGE - 1) / PAGE * PAGE, PAGE);

  return (guint) CLAMP (depth, DEPTH_MIN, DEPTH_DEFAULT);
}

static gboolean
resolve_depth (const FcrSizes *sizes, guint64 frame_size, guint *depth,
               GError **error)
{
  gdouble frames;

  *depth = sizes->ring_depth;
  if (sizes->seconds <= 0)
    {
      if (*depth == 0)
        *depth = default_depth (frame_size);
      return TRUE;
    }
  if (sizes->fps_n == 0)
    return fcr_sizes_bad (
        error,
        "a history of %g seconds needs a frame rate, as in " EXAMPLE
        " or 64KiB@50 10s; or say the depth in frames, as in 120f",
        sizes->seconds);
  /* A time such as 0.1 s is no round number of a double's; what that adds is
   * no frame. */
  frames = ceil (sizes->seconds * sizes->fps_n / sizes->fps_d - 1e-6);
  if (frames > FC_CELLS_MAX)
    return fcr_sizes_bad (
        error,
        "%g seconds at %g frames a second are %.10g frames; a ring has "
        "at most %u: ask for less time",
        sizes->seconds, (gdouble) sizes->fps_n / sizes->fps_d, frames,
        FC_CELLS_MAX);
  frames = MAX (frames, 2);
  if (*depth != 0 && *depth != (guint) frames)
    return fcr_sizes_bad (
        error,
        "%g seconds at %g frames a second are %.10g frames, but a depth "
        "of %u was said too; say one of them",
        sizes->seconds, (gdouble) sizes->fps_n / sizes->fps_d, frames, *depth);
  *depth = (guint) frames;
  return TRUE;
}

gboolean
fcr_sizes_resolve (const FcrSizes *sizes, fc_writer_options_t *options,
                   GError **error)
{
  gsize format_size = sizes->format != NULL ? strlen (sizes->format) : 0;
  guint64 frame_size = 0;
  guint depth = 0;

  if (!check_numbers (sizes, error)
      || !resolve_frame_size (sizes, &frame_size, error)
      || !resolve_depth (sizes, frame_size, &depth, error))
    return FALSE;
  if (format_size > FC_FORMAT_MAX)
    return fcr_sizes_bad (error,
                          "the format has %" G_GSIZE_FORMAT " bytes; the limit "
                          "is %u",
                          format_size, FC_FORMAT_MAX);
  *options = (fc_writer_options_t) FC_WRITER_OPTIONS_INIT;
  options->frame_size = frame_size;
  options->ring_depth = depth;
  options->max_consumers = sizes->max_consumers;
  options->leases = sizes->leases;
  options->writer_cells = sizes->writer_cells;
  options->access = sizes->access;
  options->trust = sizes->trust;
  if (format_size > 0)
    {
      options->format = sizes->format;
      options->format_size = (guint32) format_size;
    }
  return TRUE;
}
