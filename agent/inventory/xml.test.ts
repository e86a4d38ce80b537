import { describe, expect, it } from 'vitest'
import { parseXml, textAt } from './xml.ts'

describe('parseXml', () => {
  it('reads elements, text and entities, and passes over the rest', () => {
    const root = parseXml(
      '<?xml version="1.0"?>\n<!DOCTYPE a SYSTEM "a.dtd">\n<a id="1>2"><!-- <x> --><b>R&amp;D</b><c/><b>2</b></a>\n',
    )
    expect(root?.children.map(({ name }) => name)).toEqual(['b', 'c', 'b'])
    expect(root && textAt(root, 'b')).toBe('R&D')
    expect(root && textAt(root, 'c')).toBeUndefined()
    expect(root && textAt(root, 'b', 'nothing')).toBeUndefined()
  })

  it.each(['', 'no XML', '<a>', '<a></b>', '</a>', '<a></a><b></b>', '<a><b></a></b>', '<a', '<a>'.repeat(1000)])(
    'refuses %s',
    (text) => {
      expect(parseXml(text)).toBeUndefined()
    },
  )

  it('expands no entity of its own making', () => {
    const root = parseXml('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>')
    expect(root === undefined || root.text === '&x;').toBe(true)
  })
})
