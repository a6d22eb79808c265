// SPDX-License-Identifier: Apache-2.0
import Families
import Pictures
import TrimLLaVA

extension ManyTokensNote {
    /// For commands all of whose answers are about pictures that `--keep` prunes.
    init?(_ llava: LLaVA, keep: KeepBudget?) {
        self.init(llava, keep: keep) { [$0.option, "--keep"] }
    }

    /// For commands that also ask about whole pictures, whatever `--keep` says.
    init?(ofWholePictures llava: LLaVA) {
        self.init(llava) { [$0.option] }
    }

    /// Writes a note about each picture that is so large.
    ///
    /// - Parameter first: where those pictures begin that nothing was said about.
    func report(_ input: PictureInput, from first: Int = 0, for llava: LLaVA) throws {
        if first == 0, !input.frames.isEmpty {
            let tokens = try llava.model.videoTiling.plan(frames: input.frames.count).rows.count
            if tokens > Self.many {
                StandardError.report(
                    "note: the video becomes \(tokens) visual tokens, which take long to read; fewer frames and "
                        + "--keep make them fewer")
            }
        }
        guard input.pictures.count > first else { return }
        let encoder = try llava.model.pictureEncoder(crop: false, pictures: input.pictures.count)
        for (name, picture) in zip(input.names, input.pictures).dropFirst(first) {
            let tokens = encoder.plan(picture.size).rows.count
            if let note = text("\(name) becomes", tokens: tokens) {
                StandardError.report("note: \(note)")
            }
        }
    }
}

extension PictureInput {
    /// Writes a note about each picture of which the model sees fewer pixels than it has, because there is a limit.
    ///
    /// - Parameter first: where those pictures begin that nothing was said about.
    func reportSeenSizes(from first: Int = 0, for llava: LLaVA) throws {
        guard pictures.count > first else { return }
        let encoder = try llava.model.pictureEncoder(crop: false, pictures: pictures.count)
        let limit =
            llava.visionLimits.mostPixels == nil
            ? "the model's limit" : "--max-pixels or the model's limit"
        for (name, picture) in zip(names, pictures).dropFirst(first) {
            guard let seen = encoder.plan(picture.size).seenSize else { continue }
            StandardError.report(
                "note: \(name) has \(picture.size) pixels; the model sees \(seen), because of \(limit)"
            )
        }
    }
}

extension ModelOptions {
    /// Warnings about limits on pictures that the model does not have.
    func limitWarnings(_ llava: LLaVA) -> [String] {
        let limit = llava.model.pictureLimit
        let given: [(PictureLimit, Int?)] = [(.tiles, maxTiles), (.pixels, maxPixels)]
        return given.filter { $0.1 != nil && $0.0 != limit }.map { other, _ in
            "\(other.option) has no effect on this model"
                + (limit.map { "; \($0.option) limits its pictures" } ?? "")
        }
    }
}
