/* picture: where the pixels of a raw frame are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is believed of a picture: then nothing below overflows. */
#define SIDE_MAX 16384u

/* Caps --------------------------------------------------------------------
 *
 * A text such as
 *
 *   video/x-raw, format=(string)NV12, width=(int)640, height=(int)480, ...
 *
 * in which the type in brackets may be left out. It has no zero at its end. */

/* The value of the field NAME of CAPS, or NULL. */
static const char *
field (const char *caps, const char *name)
{
  const size_t length = strlen (name);

  for (const char *at = strchr (caps, ','); at; at = strchr (at, ','))
    {
      at += 1 + strspn (at + 1, " ");
      if (strncmp (at, name, length) != 0 || at[length] != '=')
        continue;
      at += length + 1;
      if (*at == '(')
        at += strcspn (at, ")") + 1;
      return at;
    }
  return NULL;
}

/* As field (), for a number of pixels; 0 where there is none. */
static unsigned
pixels (const char *caps, const char *name)
{
  const char *value = field (caps, name);
  const unsigned long number = value ? strtoul (value, NULL, 10) : 0;

  return number <= SIDE_MAX ? (unsigned) number : 0;
}

/* Where the brightness is in the formats that have some. */
static const struct
{
  const char *name;
  unsigned offset; /* bytes, of the first pixel's */
  unsigned step;
} formats[] = {
  { "GRAY8", 0, 1 }, { "I420", 0, 1 }, { "NV12", 0, 1 },
  { "NV21", 0, 1 },  { "UYVY", 1, 2 }, { "Y42B", 0, 1 },
  { "Y444", 0, 1 },  { "YUY2", 0, 2 }, { "YV12", 0, 1 },
};

/* Sets what PICTURE's format, which TEXT begins with, says: 1, or 0 for one
 * that is not known. */
static int
set_format (picture_t *picture, const char *text)
{
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    {
      const size_t length = strlen (formats[i].name);

      if (strncmp (text, formats[i].name, length) == 0
          && (text[length] == '\0' || strchr (", ", text[length]) != NULL))
        {
          picture->offset = formats[i].offset;
          picture->step = formats[i].step;
          return 1;
        }
    }
  return 0;
}

int
picture_from_caps (picture_t *picture, const void *caps, size_t size)
{
  static const char raw[] = "video/x-raw";
  const char *format;
  char *text = strndup (caps, size);
  int known;

  if (text == NULL)
    return 0;
  format = field (text, "format");
  picture->width = pixels (text, "width");
  picture->height = pixels (text, "height");
  known = strncmp (text, raw, sizeof raw - 1) == 0 && format != NULL
          && set_format (picture, format) && picture->width > 0
          && picture->height > 0;
  free (text);
  /* Where nothing else is said, a line begins at a multiple of 4 bytes. */
  if (known)
    picture->stride = (picture->width * picture->step + 3u) & ~3u;
  return known;
}

/* The block of metadata -----------------------------------------------------
 *
 * docs/ring-format.md says what is in it. Its numbers are little-endian and
 * not aligned. */

static uint64_t
number (const unsigned char *at, unsigned bytes)
{
  uint64_t value = 0;

  while (bytes-- > 0)
    value = value << 8 | at[bytes];
  return value;
}

/* The record TYPE of FRAME's block and its *SIZE, or NULL. */
static const unsigned char *
find_record (const fc_frame_t *frame, unsigned type, size_t *size)
{
  const unsigned char *at = frame->info.meta;
  size_t left = frame->info.meta_size;

  if (at == NULL || left < 6 || memcmp (at, "fcMT\1", 6) != 0)
    return NULL;
  for (at += 6, left -= 6; left >= 6; at += *size, left -= *size)
    {
      const unsigned found = (unsigned) number (at, 2);

      *size = number (at + 2, 4);
      at += 6;
      left -= 6;
      if (*size > left)
        return NULL;
      if (found == type)
        return at;
    }
  return NULL;
}

/* What the record of a GstVideoMeta says of the first plane. */
static int
read_video_meta (picture_t *picture, const unsigned char *at, size_t size)
{
  size_t plane;

  if (size < 17)
    return 0;
  plane = 17 + (size_t) at[16] + 1; /* behind the format's name and a count */
  if (size < plane + 12 || at[plane - 1] == 0)
    return 0;
  if (number (at + 8, 4) != picture->width
      || number (at + 12, 4) != picture->height)
    return 0;
  picture->offset += number (at + plane, 8);
  picture->stride = number (at + plane + 8, 4);
  return 1;
}

int
picture_of_frame (picture_t *picture, const picture_t *usual,
                  const fc_frame_t *frame)
{
  const unsigned char *record;
  size_t size, bytes;

  *picture = *usual;
  record = find_record (frame, 1, &size);
  if (record != NULL && !read_video_meta (picture, record, size))
    return 0;

  /* Another process said all this: look before reading. The last line may end
   * with its last pixel. */
  if (picture->stride < picture->width * picture->step
      || picture->stride > SIDE_MAX * 4)
    return 0;
  bytes = picture->stride * (picture->height - 1)
          + (picture->width - 1) * picture->step + 1;
  return bytes <= frame->size && picture->offset <= frame->size - bytes;
}
