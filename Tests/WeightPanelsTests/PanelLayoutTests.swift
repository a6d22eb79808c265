// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import Testing

@testable import WeightPanels

/// FNV-1a of each format's panel from `panel`.
let panelFingerprints: [(format: BlockFormat, fingerprint: UInt64)] = [
    (.f32, 0xA32E_C366_2050_48C3),
    (.f16, 0x53A5_1FDE_8BA0_0FBB),
    (.q4_0, 0x173A_89F4_28DD_BB6D),
    (.q4_1, 0xF9E3_2A01_23A5_B503),
    (.q5_0, 0xB987_2F34_B24B_1ED0),
    (.q5_1, 0x9B38_2B0F_B537_D1DE),
    (.q8_0, 0x5F66_7480_EE6D_6FF2),
    (.q2_K, 0xE745_A320_DB08_9055),
    (.q3_K, 0x057A_A746_CD79_73A3),
    (.q4_K, 0x6A15_1EB3_AF16_CCB5),
    (.q5_K, 0xE59A_C21D_25DE_EBAD),
    (.q6_K, 0x9B37_E5CF_9BF5_F3D9),
    (.iq4_nl, 0x173A_89F4_28DD_BB6D),
    (.iq4_xs, 0xC1F1_D384_7668_1439),
    (.bf16, 0xB565_CA65_81FA_FE63),
    (.mxfp4, 0x0A7C_BE6F_04EF_41CF),
    (.iq2_xxs, 0xB37A_432A_7A6E_BA3C),
    (.iq2_xs, 0x7E24_853D_0483_5ACF),
    (.iq3_xxs, 0x6BAE_CD85_0B7B_402E),
    (.iq1_s, 0x46C9_2A03_118A_F1B5),
    (.iq3_s, 0x93A3_D52F_99DE_F55C),
    (.iq2_s, 0x832D_AAD1_F06A_02DE),
    (.iq1_m, 0xA9DE_BCA7_C6B3_54CB),
    (.tq1_0, 0x626E_268F_BA03_E1B1),
    (.tq2_0, 0x863E_2C25_FAF6_3324),
    (.nvfp4, 0xCB80_946B_03E6_441A),
    (.q1_0, 0x679F_0F3B_6B54_C82D),
    (.q2_0, 0xEDC4_FF2D_984C_CEA3),
]

@Suite struct PanelLayoutTests {
    /// A changed layout needs a new `PanelKind.layoutVersion`, so that no cache is misread.
    @Test(arguments: panelFingerprints)
    func panelsAreThoseOfTheLayoutVersion(expected: (format: BlockFormat, fingerprint: UInt64)) {
        let found = panel(expected.format).reduce(0xCBF2_9CE4_8422_2325) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01B3
        }
        #expect(found == expected.fingerprint)
    }

    /// A full panel of blocks whose bytes depend on their places alone.
    private func panel(_ format: BlockFormat) -> [UInt8] {
        let packer = PanelPacker(format, inputs: 512)
        let blocks = (0..<(32 * format.byteCount(of: 512))).map { index in
            // A scale without this bit is finite.
            UInt8(truncatingIfNeeded: (UInt64(index) &* 0x9E37_79B9_7F4A_7C15) >> 56) & 0xBF
        }
        var panel = [UInt8](repeating: 0, count: packer.panelBytes)
        _ = packer.pack(blocks, count: 32, into: &panel)
        return panel
    }
}
