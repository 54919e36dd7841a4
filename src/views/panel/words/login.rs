//! What the sign-in page says.

/// See the module's description.
pub(crate) struct Login {
    pub(crate) sign_in: &'static str,
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
    pub(crate) code: &'static str,
    pub(crate) passkey: &'static str,
    pub(crate) or: &'static str,
    pub(crate) language: &'static str,
    pub(crate) wrong: &'static str,
    pub(crate) wrong_code: &'static str,
    pub(crate) wrong_passkey: &'static str,
    pub(crate) too_late: &'static str,
    pub(crate) too_often: &'static str,
    pub(crate) failed: &'static str,
}

super::in_every_language!(Login);

const EN: Login = Login {
    sign_in: "Sign in",
    name: "Name",
    password: "Password",
    code: "Code of your authenticator app, or a recovery code",
    passkey: "Sign in with a passkey",
    or: "or",
    language: "Language",
    wrong: "Name or password is wrong.",
    wrong_code: "That code is wrong, or was used before.",
    wrong_passkey: "That passkey is not known here, or was refused.",
    too_late: "That took too long. Sign in again.",
    too_often: "Too many attempts. Try again in {minutes} min.",
    failed: "That did not work. Try again.",
};

const ZH: Login = Login {
    sign_in: "登录",
    name: "用户名",
    password: "密码",
    code: "身份验证器应用中的验证码，或恢复码",
    passkey: "使用通行密钥登录",
    or: "或",
    language: "语言",
    wrong: "用户名或密码错误。",
    wrong_code: "验证码错误，或已被使用过。",
    wrong_passkey: "此处不认识该通行密钥，或该通行密钥被拒绝。",
    too_late: "操作超时，请重新登录。",
    too_often: "尝试次数过多，请在 {minutes} 分钟后重试。",
    failed: "操作未成功，请重试。",
};

const RU: Login = Login {
    sign_in: "Войти",
    name: "Имя",
    password: "Пароль",
    code: "Код из приложения-аутентификатора или код восстановления",
    passkey: "Войти с ключом доступа",
    or: "или",
    language: "Язык",
    wrong: "Неверное имя или пароль.",
    wrong_code: "Код неверен или уже использован.",
    wrong_passkey: "Этот ключ доступа здесь неизвестен или был отклонён.",
    too_late: "Прошло слишком много времени. Войдите ещё раз.",
    too_often: "Слишком много попыток. Повторите через {minutes} мин.",
    failed: "Не получилось. Попробуйте ещё раз.",
};

const FA: Login = Login {
    sign_in: "ورود",
    name: "نام",
    password: "گذرواژه",
    code: "کد برنامهٔ احراز هویت یا یک کد بازیابی",
    passkey: "ورود با کلید عبور",
    or: "یا",
    language: "زبان",
    wrong: "نام یا گذرواژه نادرست است.",
    wrong_code: "این کد نادرست است یا پیش‌تر استفاده شده.",
    wrong_passkey: "این کلید عبور اینجا شناخته نیست یا رد شد.",
    too_late: "بیش از اندازه طول کشید. دوباره وارد شوید.",
    too_often: "تلاش‌ها بیش از اندازه بود. {minutes} دقیقهٔ دیگر دوباره امتحان کنید.",
    failed: "انجام نشد. دوباره امتحان کنید.",
};
