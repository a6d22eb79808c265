// SPDX-License-Identifier: Apache-2.0
import Families
import Pictures
import TrimLLaVA

extension PictureLimit {
    /// The option that sets it.
    fileprivate var option: String {
        switch self {
        case .tiles: "--max-tiles"
        case .pixels: "--max-pixels"
        }
    }
}

/// Says when pictures become very many visual tokens although they need not.
struct ManyTokensNote {
    /// More than any picture becomes for LLaVA-NeXT and SmolVLM.
    static let many = 3000

    /// The options that make them fewer.
    private let options: [String]

    /// Nil where the user has set a limit or a budget, and where all pictures take the same rows.
    init?(_ llava: LLaVA, _ model: ModelOptions, keep: KeepBudget?) {
        guard let limit = llava.model.pictureLimit, keep == nil, model.maxTiles == nil,
            model.maxPixels == nil
        else { return nil }
        options = [limit.option, "--keep"]
    }

    /// The note about pictures of so many visual tokens; nil where that is not many.
    ///
    /// - Parameter subject: the pictures and what they do, such as `a.jpg becomes`.
    func text(_ subject: String, tokens: Int) -> String? {
        guard tokens > Self.many else { return nil }
        return "note: \(subject) \(tokens) visual tokens, which take long to read; "
            + "\(options.joined(separator: " and ")) make them fewer"
    }

    /// Writes a note about each picture that is so large.
    ///
    /// - Parameter first: where those pictures begin that nothing was said about.
    func report(_ input: PictureInput, from first: Int = 0, for llava: LLaVA) throws {
        let encoder = try llava.model.pictureEncoder(crop: false, pictures: input.pictures.count)
        for (name, picture) in zip(input.names, input.pictures).dropFirst(first) {
            let tokens = encoder.plan(picture.size).rows.count
            if let note = text("\(name) becomes", tokens: tokens) { StandardError.report(note) }
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
