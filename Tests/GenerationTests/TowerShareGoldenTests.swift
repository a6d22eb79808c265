// SPDX-License-Identifier: Apache-2.0
import Pictures
import TestSupport
import Testing

@testable import Generation

/// Vision towers that see a share of a picture's patches.
@Suite struct TowerShareGoldenTests {
    private static let cases = GoldenCase.all.filter {
        (try? $0.stage("spared-features")) != nil
    }

    /// What becomes of a case's only picture, and how much attention its cells get.
    private func encoded(
        _ golden: GoldenCase, _ limits: VisionLimits
    ) throws -> (record: StageRecord, attention: [Float]) {
        let loaded = try LoadedModel(golden, limits: limits)
        let tiles = try #require(try loaded.tiles(golden).first)
        let picture = try loaded.model.pictureEncoder.encode(
            tiles, needs: [.features, .attention])
        var record = StageRecord()
        record.add(tiles, picture, width: loaded.model.decoder.config.width)
        return (record, try #require(picture.attention))
    }

    @Test(arguments: Self.cases)
    func halfOfThePatchesEqualTransformers(golden: GoldenCase) throws {
        let (record, attention) = try encoded(golden, VisionLimits(towerShare: 0.5))
        func check(_ name: String, _ values: [Float], _ expected: [Float]?) {
            guard let expected else { return }
            let error = relativeError(values, expected)
            #expect(error <= 1e-4, "\(name): relative error \(error)")
        }
        let features = try #require(try golden.stage("spared-features"))
        let inner = features.shape.dropFirst()
        #expect(record.features.shape.suffix(inner.count) == inner)
        check("features", record.features.values, features.floats)
        let projected = try #require(try golden.stage("spared-projected"))
        #expect(record.projected.shape == projected.shape)
        check("projected", record.projected.values, projected.floats)
        check("addends", record.addends.values, try golden.stage("spared-deepstack")?.rowsFirst)
        check("attention", attention, try golden.stage("spared-attention")?.floats)
    }

    /// Patches that are left out are recorded as the ones that stand for them: as many differ as the tower sees.
    @Test(arguments: Self.cases.filter { $0.model != "smolvlm" })
    func asManyFeaturesDifferAsPatchesAreSeen(golden: GoldenCase) throws {
        let (record, _) = try encoded(golden, VisionLimits(towerShare: 0.5))
        let seen = try #require(try golden.stage("spared-seen")).int32s
        let (cells, width) = (record.features.shape[1], record.features.shape[2])
        #expect(seen.count == (cells + 1) / 2)
        let rows = (0..<cells).map { record.features.values[$0 * width..<($0 + 1) * width] }
        #expect(Set(rows).count == seen.count)
        // A seen patch stands for itself.
        #expect(Set(seen.map { rows[Int($0)] }).count == seen.count)
    }

    @Test(arguments: Self.cases)
    func allOfThePatchesAreTheWholePicture(golden: GoldenCase) throws {
        let (all, attention) = try encoded(golden, VisionLimits(towerShare: 1))
        let (whole, wholeAttention) = try encoded(golden, VisionLimits())
        #expect(all.features.values == whole.features.values)
        #expect(all.projected.values == whole.projected.values)
        #expect(all.addends.values == whole.addends.values)
        #expect(attention == wholeAttention)
    }

    @Test func goldenCasesCoverEveryTower() {
        #expect(
            Set(Self.cases.map(\.model)).isSuperset(
                of: [
                    "llava-1.5-gqa", "llava-next-mistral", "smolvlm", "onevision", "qwen2vl",
                    "qwen2.5vl", "qwen3vl",
                ]))
    }
}
