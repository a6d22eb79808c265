// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Everything that an answer and its score depend on.
///
/// An earlier answer counts only if its key is equal.
public struct AnswerKey: Codable, Hashable, Sendable {
    /// A picture's file, or the file that it is embedded in.
    struct PictureFile: Codable, Hashable {
        /// The file; for an embedded picture also where it stands.
        let path: String
        /// Bytes; nil if the file does not exist.
        let size: Int?
        /// When it was last changed, in nanoseconds since 1970.
        let modified: Int?

        init(_ picture: EvaluationPicture) {
            let file: String
            switch picture {
            case .file(let path): (self.path, file) = (path, path)
            case .embedded(let embedded):
                (path, file) = ("\(embedded.path) \(embedded.range)", embedded.path)
            }
            var status = stat()
            guard stat(file, &status) == 0 else {
                (size, modified) = (nil, nil)
                return
            }
            #if canImport(Darwin)
                let time = status.st_mtimespec
            #else
                let time = status.st_mtim
            #endif
            size = Int(status.st_size)
            modified = Int(time.tv_sec) &* 1_000_000_000 &+ Int(time.tv_nsec)
        }
    }

    /// The question's text.
    let question: String
    /// Its pictures.
    let pictures: [PictureFile]
    /// The right answers.
    let answers: [String]
    /// The setting, and the options of the evaluation.
    let settings: [String]

    init(_ question: EvaluationQuestion, _ pictures: [PictureFile], settings: [String]) {
        self.question = question.question + question.suffix
        self.pictures = pictures
        answers = question.answers
        self.settings = settings
    }
}
