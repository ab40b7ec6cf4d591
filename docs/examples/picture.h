/* picture: where the pixels of a raw frame are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A slot's format is the frames' caps as a text, and a frame may have a block
 * of metadata that says otherwise for it alone. This finds the brightness in
 * both, for programs that have no GStreamer to do so.
 */
#ifndef PICTURE_H
#define PICTURE_H

#include <framecache/fc.h>

typedef struct
{
  unsigned width;  /* pixels */
  unsigned height; /* lines */
  size_t offset;   /* bytes from the frame's first one to the picture's */
  size_t stride;   /* bytes from a line to the next one, with its padding */
  unsigned step;   /* bytes from a pixel to the next one */
} picture_t;

/* What the SIZE bytes of CAPS say: 1, or 0 where they are not of a picture with
 * a byte of brightness for each pixel in its first plane. */
int picture_from_caps (picture_t *picture, const void *caps, size_t size);

/* What FRAME, whose slot's picture is USUAL, says: 1, or 0 where it is not
 * such a picture, or its lines are not all within the frame. */
int picture_of_frame (picture_t *picture, const picture_t *usual,
                      const fc_frame_t *frame);

#endif
