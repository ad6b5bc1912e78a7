/** The programme of the demo's ticket shop. Every artist and venue is made up. */

/** One evening that the shop sells tickets for. Its poster is `posters/{slug}.svg`. */
export interface Concert {
  readonly slug: string;
  readonly artist: string;
  /** What the tag sends as `c_genre`. */
  readonly genre: string;
  /** Euros; what the tag sends as `c_price`. */
  readonly price: number;
  readonly city: string;
  readonly venue: string;
  readonly date: string;
  readonly doors: string;
  readonly lead: string;
  readonly about: string;
  readonly poster: string;
}

export const CONCERTS: readonly Concert[] = [
  {
    slug: 'blue-hour-quartet',
    artist: 'Blue Hour Quartet',
    genre: 'jazz',
    price: 38,
    city: 'Lisbon',
    venue: 'Sala do Cais',
    date: 'Saturday 6 February 2027',
    doors: '20:30',
    lead: 'Four players, one lamp, and the last ferry outside the window.',
    about:
      'Piano, bass, drums and a trumpet that would rather whisper. The quartet plays two sets without microphones in an old customs hall for 140 people, and nobody has ever asked them to turn it up.',
    poster: 'Poster: four overlapping discs of colour around a record, on a midnight-blue sky',
  },
  {
    slug: 'orsolya-feher',
    artist: 'Orsolya Fehér',
    genre: 'jazz',
    price: 92,
    city: 'Budapest',
    venue: 'Kőhíd Hall',
    date: 'Friday 19 February 2027',
    doors: '19:30',
    lead: 'An evening alone at the piano, improvised from the first note to the last.',
    about:
      'She does not announce pieces, because there are none. Sixty seats stand in a circle round one concert grand, and each ticket comes with a glass of something from Tokaj.',
    poster: 'Poster: the black curve of a grand piano in front of a red sun, keys along the foot',
  },
  {
    slug: 'the-tin-harbour',
    artist: 'The Tin Harbour',
    genre: 'rock',
    price: 46,
    city: 'Glasgow',
    venue: 'The Gantry',
    date: 'Friday 19 February 2027',
    doors: '19:00',
    lead: 'Shipyard songs, two drummers, no ballads.',
    about:
      'Loud in the way a river is loud. The Tin Harbour bring their third record home to the hall whose cranes gave them their name. Earplugs are at the bar, free of charge.',
    poster: 'Poster: two harbour cranes in black against an orange sky and a pale sun',
  },
  {
    slug: 'nachtstrom',
    artist: 'Nachtstrom',
    genre: 'electronic',
    price: 34,
    city: 'Berlin',
    venue: 'Kesselhaus Nord',
    date: 'Friday 5 March 2027',
    doors: '23:00',
    lead: 'All night, one room, no phones.',
    about:
      'A boiler house, eight loudspeakers and a patch that is different every time. It begins slowly at eleven and ends when the bakery opposite opens.',
    poster: 'Poster: stacked waveforms glowing from cyan to magenta on black',
  },
  {
    slug: 'st-brannoc-strings',
    artist: 'St Brannoc Strings',
    genre: 'classical',
    price: 85,
    city: 'Vienna',
    venue: 'Rosensaal',
    date: 'Friday 12 March 2027',
    doors: '19:00',
    lead: 'Two quintets by candlelight, at the distance of a handshake.',
    about:
      'The strings of St Brannoc play standing up, in the middle of the room. The programme is printed on the night; the gilt mirrors have been listening for two hundred years.',
    poster: 'Poster: a violin on burgundy, with a golden stave winding round it',
  },
  {
    slug: 'marisol-y-la-marea',
    artist: 'Marisol y la Marea',
    genre: 'latin',
    price: 52,
    city: 'Valencia',
    venue: 'Teatro del Turia',
    date: 'Saturday 20 March 2027',
    doors: '21:00',
    lead: 'Eleven people on a stage built for six. Bring shoes you can dance in.',
    about:
      'Brass from Santiago, rhythm from Valencia and a voice that fills the stalls. The seats are taken out for the night; the balcony keeps a few for those who would rather look.',
    poster: 'Poster: a striped setting sun over teal waves, with a palm leaning in',
  },
  {
    slug: 'hollow-oak',
    artist: 'Hollow Oak',
    genre: 'folk',
    price: 24,
    city: 'Galway',
    venue: 'The Net Loft',
    date: 'Saturday 3 April 2027',
    doors: '20:00',
    lead: 'Three voices, a fiddle, and songs older than the building.',
    about:
      'They collect songs the way others collect stamps, and sing them the way they were found. Afterwards the session goes on downstairs; instruments are welcome.',
    poster: 'Poster: the rings of a tree as a moon above green hills',
  },
  {
    slug: 'kilo-verse',
    artist: 'Kilo Verse',
    genre: 'hip-hop',
    price: 42,
    city: 'Marseille',
    venue: 'La Fabrique du Port',
    date: 'Friday 16 April 2027',
    doors: '20:00',
    lead: 'One microphone, two turntables, four languages.',
    about:
      'The quickest tongue of the old port with the band that taught her to slow down. Expect guests: half the line-up is only ever known on the night.',
    poster: 'Poster: an equaliser in black blocks on yellow, under a pink record',
  },
];

/** The concert of a slug. */
export const concertOf = (slug: string | undefined): Concert | undefined =>
  CONCERTS.find((concert) => concert.slug === slug);
